import type { CorsPolicy } from './cors/policy.ts';
import { HttpError } from './http-error.ts';
import { http } from './node/builtins.ts';
import { RequestHandler } from './request-handler.ts';
import { parameterNames } from './router.ts';
import type { Routes } from './server.ts';

/** A class that serves the paths of one or more routes. Each request gets an instance of its own. */
export type HandlerClass = typeof RequestHandler;

/** All that follows from a class and its policy, computed once at startup. */
export type Resource = Readonly<ReturnType<typeof resourceOf>>;

/** The first methods in Allow. A preflight for an unknown path allows them, so that the page can read the 404. */
export const COMMON_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * The name of the handler's method for each HTTP method: `GET` -> `doGet`, `M-SEARCH` -> `doMSearch`. Node emits
 * CONNECT as an event. TRACE would send back the credentials of the request (RFC 9110, section 9.3.8).
 */
const DO_METHODS: ReadonlyMap<string, string> = new Map(
  [...COMMON_METHODS, ...http.METHODS]
    .filter((method) => method !== 'CONNECT' && method !== 'TRACE')
    .map((method) => [method, `do${method.split('-').map((part) => part[0] + part.slice(1).toLowerCase()).join('')}`]),
);

/** Returns the methods that a class supports, as Allow lists them. */
export function methodsOf(HandlerClass: HandlerClass): string[] {
  return [...doMethodsOf(HandlerClass).keys()];
}

/**
 * Compiles a class and its policy.
 *
 * @param bodyLimit in bytes
 */
export function resourceOf(HandlerClass: HandlerClass, policy: CorsPolicy, bodyLimit: number) {
  const methods = doMethodsOf(HandlerClass);
  const names = [...methods.keys()];
  const allow = names.join(', ');
  return {
    HandlerClass, policy, bodyLimit,
    /** Maps `GET` to `doGet`, for each method that the class supports. */
    methods,
    /** The value of Allow (RFC 9110, section 10.2.1). */
    allow,
    /** Access-Control-Allow-Methods: `allow`, narrowed by the policy. */
    corsMethods: names.filter((method) => policy.methods?.includes(method) ?? true).join(', '),
    methodNotAllowed: new HttpError(
      405, `This path supports ${allow}`, { Allow: allow }, { code: 'METHOD_NOT_ALLOWED' },
    ),
  };
}

/** Returns the resource of every path that no route matches, and of `OPTIONS *`. */
export function baseResource(base: Resource): Resource {
  const all = COMMON_METHODS.join(', ');
  return { ...base, allow: all, corsMethods: all };
}

/** Returns whether a class, or a class that it extends, overrides a member of RequestHandler. */
export function overrides({ prototype }: HandlerClass, name: string): boolean {
  return Reflect.get(prototype, name) !== Reflect.get(RequestHandler.prototype, name);
}

function doMethodsOf({ prototype }: HandlerClass): ReadonlyMap<string, string> {
  const has = (name: string): boolean => typeof Reflect.get(prototype, name) === 'function';
  const methods = new Map(DO_METHODS);
  if (!has('doHead')) methods.set('HEAD', 'doGet');
  return new Map([...methods].filter(([, name]) => has(name)));
}

const METHOD_LIKE = /^do_?[A-Z]/;
/** A class field that is a function, such as `doGet = () => …`, in the source of its class. */
const FIELD = /(?:^class\b[^{]*\{|^|[};])\s*(do_?[A-Z]\w*)\s*=(?![=>])[^,;{}\n]*(?:=>|\bfunction\b|\.bind\()/gm;

/** Returns an error, with what to write instead, for each member that looks like a method but would never be called. */
export function classErrors(HandlerClass: HandlerClass): string[] {
  const errors: string[] = [];
  const reject = (name: string, reason = ''): void => {
    const meant = meantBy(name);
    const rename = /^do/i.test(name) ? '' : ', or rename it if your own code calls it';
    const fix = meant ? `${reason}write ${meant}() { … }${rename}` : 'it is not named like an HTTP method: rename it';
    errors.push(`${HandlerClass.name}.${name} would never be called by the server: ${fix}`);
  };
  for (let Class = HandlerClass; Class !== RequestHandler; Class = Object.getPrototypeOf(Class) as HandlerClass) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(Class.prototype))) {
      if (typeof value === 'function' && isMisnamed(name, HandlerClass)) reject(name);
    }
    for (const name of Object.getOwnPropertyNames(Class)) if (METHOD_LIKE.test(name)) reject(name, 'it is static: ');
    // The source, because a class would have to be constructed to see its fields, and that may have side effects.
    for (const [, name] of String(Class).matchAll(FIELD)) reject(name!, 'it is a field, not a method: ');
  }
  // Without this error, a class whose prepare() authenticates would serve everyone.
  if (typeof Reflect.get(HandlerClass, 'prepare') === 'function' && !overrides(HandlerClass, 'prepare')) {
    errors.push(`${HandlerClass.name}.prepare would never be called by the server: remove static, or rename it`);
  }
  return errors;
}

function isMisnamed(name: string, HandlerClass: HandlerClass): boolean {
  const meant = meantBy(name);
  if (!meant) return METHOD_LIKE.test(name);
  if (/^do/i.test(name)) return name !== meant;
  // A get() beside doGet() is a method for the class's own use.
  return !overrides(HandlerClass, meant);
}

/** Captures the name of a parameter. Also matches comments and strings, in which a call is not code. */
const READ_PARAMETER = /\bthis\.param\((['"`])(\w+)\1\)|\/\*[^]*?\*\/|\/\/.*|(['"`])(?:\\[^]|(?!\3)[^\\])*\3/g;
/** A class or function within a class, where `this` is another object. `[^]` excludes the class's own keyword. */
const NESTED = /[^]\b(?:class|function)\b/;

/**
 * Returns an error for each name that a class passes to param() but that no route of the class or of its subclasses
 * has. A class is not checked if none of its routes has parameters, because it may serve only methods that do not call
 * param(), nor if it overrides param() or contains a nested class or function, because `this` may be another object.
 */
export function parameterErrors(HandlerClass: HandlerClass, routes: Routes): string[] {
  const isOf = (Class: HandlerClass): boolean => Class === HandlerClass || HandlerClass.isPrototypeOf(Class);
  const patterns = Object.entries(routes).filter(([, Class]) => isOf(Class)).map(([pattern]) => pattern);
  const names = new Set(patterns.flatMap(parameterNames));
  const source = String(HandlerClass);
  if (names.size === 0 || overrides(HandlerClass, 'param') || NESTED.test(source)) return [];
  const read = [...source.matchAll(READ_PARAMETER)].flatMap((match) => match[2] ?? []);
  const unknown = new Set(read.filter((name) => !names.has(name)));
  const fix = `write this.param('${[...names].join("') or this.param('")}'), or rename it in the route`;
  return [...unknown].map(
    (name) => `${HandlerClass.name} reads this.param('${name}'), which is not in ${patterns.join(' or ')}: ${fix}`,
  );
}

/**
 * Returns the method that a name was meant to be: `do_GET`, `doget`, `get` -> `doGet`. Without the `do`, it looks only
 * for common methods, because many others are plain words.
 */
function meantBy(name: string): string | undefined {
  const plain = name.toLowerCase().replaceAll('_', '');
  const lowerCase = COMMON_METHODS.includes(plain.toUpperCase()) ? `do${plain}` : plain;
  return [...DO_METHODS.values()].find((method) => method.toLowerCase() === lowerCase);
}
