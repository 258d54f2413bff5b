import type { CorsOptions } from './cors/options.ts';
import type { CorsPolicy } from './cors/policy.ts';
import type { Exchange } from './exchange.ts';
import { HttpError } from './http-error.ts';
import { http } from './node/builtins.ts';
import { RequestHandler } from './request-handler.ts';

/** A class that serves one path. Each request gets an instance of its own. */
export interface HandlerClass {
  new (exchange: Exchange): RequestHandler;
  readonly name: string;
  readonly prototype: RequestHandler;
  readonly cors?: CorsOptions;
  readonly bodyLimit?: number;
}

/** All that follows from a route's class and policy, computed once at startup. */
export interface Resource {
  /** As written in the routes: `/notes/:id`; `*` for the paths that no route matches. */
  readonly pattern: string;
  readonly HandlerClass: HandlerClass;
  readonly policy: CorsPolicy;
  /** In bytes. */
  readonly bodyLimit: number;
  /** Maps `GET` to `doGet`, for each method that the class supports. */
  readonly methods: ReadonlyMap<string, string>;
  /** RFC 9110, section 10.2.1. */
  readonly allow: string;
  /** Access-Control-Allow-Methods: `allow`, narrowed by the policy. */
  readonly corsMethods: string;
  readonly methodNotAllowed: HttpError;
}

/** What a preflight for an unknown path allows, so that the page can read the 404. */
export const COMMON_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** `GET` -> `doGet`, `M-SEARCH` -> `doMSearch`. Node emits CONNECT as an event, and TRACE is not supported. */
const DO_METHODS: ReadonlyMap<string, string> = new Map(
  [...COMMON_METHODS, ...http.METHODS.filter((method) => !COMMON_METHODS.includes(method))]
    .filter((method) => method !== 'CONNECT' && method !== 'TRACE')
    .map((method) => [method, `do${method.split('-').map((part) => part[0] + part.slice(1).toLowerCase()).join('')}`]),
);

/** Returns the methods that a class supports, as Allow lists them. */
export function methodsOf(HandlerClass: HandlerClass): string[] {
  return [...doMethodsOf(HandlerClass).keys()];
}

/** @param bodyLimit of the server in bytes, for a class without its own */
export function resourceOf(
  pattern: string, HandlerClass: HandlerClass, policy: CorsPolicy, bodyLimit: number,
): Resource {
  const methods = doMethodsOf(HandlerClass);
  const allow = [...methods.keys()].join(', ');
  return {
    pattern,
    HandlerClass,
    policy,
    bodyLimit: HandlerClass.bodyLimit ?? bodyLimit,
    methods,
    allow,
    corsMethods: [...methods.keys()].filter((method) => policy.methods?.includes(method) ?? true).join(', '),
    methodNotAllowed: new HttpError(
      405, `This path supports ${allow}`, { Allow: allow }, { code: 'METHOD_NOT_ALLOWED' },
    ),
  };
}

/** The resource of every path that no route matches, and of `OPTIONS *`. */
export function unknownResource(HandlerClass: HandlerClass, policy: CorsPolicy, bodyLimit: number): Resource {
  const all = COMMON_METHODS.join(', ');
  return { ...resourceOf('*', HandlerClass, policy, bodyLimit), allow: all, corsMethods: all };
}

function doMethodsOf({ prototype }: HandlerClass): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [method, name] of DO_METHODS) {
    if (typeof Reflect.get(prototype, name) === 'function') found.set(method, name);
    else if (method === 'HEAD' && found.has('GET')) found.set('HEAD', 'doGet');
  }
  return found;
}

const LOOKS_LIKE_METHOD = /^do_?[A-Z]/;
/** A class field, in the source of its class: `doGet = () => …`. */
const FIELD = /(?:^|[{};])\s*(do_?[A-Z]\w*)\s*=(?![=>])/gm;

/** Returns an error, with what to write instead, for each member that looks like a method but would never be called. */
export function classErrors(HandlerClass: HandlerClass): string[] {
  const errors: string[] = [];
  const own = (name: string): boolean =>
    Reflect.get(HandlerClass.prototype, name) !== Reflect.get(RequestHandler.prototype, name);
  const supported = new Set([...DO_METHODS.values()].filter(own));
  const reject = (name: string, describe: (method: string) => string) => {
    const meant = meantBy(name);
    const fix = meant ? describe(meant) : 'it is not named after an HTTP method: rename it';
    errors.push(`${HandlerClass.name}.${name} would never be called: ${fix}`);
  };

  let Class = HandlerClass as unknown as object & { prototype: object };
  for (; Class.prototype !== RequestHandler.prototype; Class = Object.getPrototypeOf(Class) as typeof Class) {
    for (const name of Object.getOwnPropertyNames(Class.prototype)) {
      if (typeof Object.getOwnPropertyDescriptor(Class.prototype, name)!.value !== 'function') continue;
      const meant = meantBy(name);
      if (meant === name) continue;
      // A get() beside doGet() is a method for the class's own use.
      const isMistake = meant ? /^do/i.test(name) || !supported.has(meant) : LOOKS_LIKE_METHOD.test(name);
      if (isMistake) reject(name, (method) => `write ${method}`);
    }
    for (const name of Object.getOwnPropertyNames(Class)) {
      if (LOOKS_LIKE_METHOD.test(name)) reject(name, (method) => `it is static: write ${method}() { … }`);
    }
    // The source, because a class would have to be constructed to see its fields, and that may have side effects.
    for (const [, name] of Class.toString().matchAll(FIELD)) {
      reject(name!, (method) => `it is a field, not a method: write ${method}() { … }`);
    }
  }
  return errors;
}

/** Also matches the rest of a line after a URL in a string. Code that is lost that way is not checked. */
const COMMENT = /\/\*[^]*?\*\/|\/\/.*/g;
const PARAMETER = /[:*]([A-Za-z_]\w*)/g;
const READ_PARAMETER = /\bthis\.param\((['"`])(\w+)\1\)/g;

/**
 * Returns an error for each name that a class passes to param() but that no route of the class or of its subclasses
 * has. A class whose routes have no parameters is not checked, because they may use only methods that read none.
 */
export function parameterErrors(routes: Readonly<Record<string, HandlerClass>>): string[] {
  const patterns = new Map<HandlerClass, string[]>();
  for (const [pattern, HandlerClass] of Object.entries(routes)) {
    let Class = HandlerClass;
    for (; Class?.prototype instanceof RequestHandler; Class = Object.getPrototypeOf(Class) as HandlerClass) {
      if (!patterns.get(Class)?.push(pattern)) patterns.set(Class, [pattern]);
    }
  }
  return [...new Set(Object.values(routes))].flatMap((HandlerClass) => {
    const own = patterns.get(HandlerClass) ?? [];
    const names = new Set(Array.from(own.join(' ').matchAll(PARAMETER), (match) => match[1]!));
    if (names.size === 0 || HandlerClass.prototype.param !== RequestHandler.prototype.param) return [];
    const source = HandlerClass.toString().replace(COMMENT, '');
    const read = new Set(Array.from(source.matchAll(READ_PARAMETER), (match) => match[2]!));
    return [...read].filter((name) => !names.has(name)).map((name) => {
      const fix = `write this.param('${[...names].join("') or this.param('")}'), or rename it in the route`;
      return `${HandlerClass.name} reads this.param('${name}'), which is not in ${own.join(' or ')}: ${fix}`;
    });
  });
}

/** `do_GET`, `doget`, `get` -> `doGet`. Without the `do`, only common methods, because many others are plain words. */
function meantBy(name: string): string | undefined {
  const [, prefix, rest = ''] = /^(do_?)?(.*)$/is.exec(name)!;
  const plain = (text: string) => text.toLowerCase().replace(/[_-]/g, '');
  const candidates = prefix ? [...DO_METHODS.keys()] : COMMON_METHODS;
  return DO_METHODS.get(candidates.find((method) => plain(method) === plain(rest)) ?? '');
}
