import { Socket } from 'node:net';
import type { CorsPolicy } from './cors.ts';
import type { Exchange } from './exchange.ts';
import { HttpError } from './http-error.ts';
import { http } from './node-http.ts';
import { type HandlerClass, RequestHandler } from './request-handler.ts';
import type { Resource } from './resource.ts';

type Implementation = (this: RequestHandler) => unknown;

/** What one path answers: all that follows from its class, worked out once. */
export interface Route extends Resource {
  readonly HandlerClass: HandlerClass;
  /** By the name in the request line. */
  readonly methods: ReadonlyMap<string, Implementation>;
  readonly methodNotAllowed: HttpError;
}

/** A page may try any of these on a path that is none, and read the real 404. */
const COMMON_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** `GET` -> `doGet`, `M-SEARCH` -> `doMSearch`. No request arrives as CONNECT, and TRACE is for proxies. */
const METHOD_NAMES = new Map(
  [...COMMON_METHODS, ...http.METHODS.filter((method) => !COMMON_METHODS.includes(method) && method !== 'CONNECT' && method !== 'TRACE')].map(
    (method) => [method, `do${method.toLowerCase().replace(/(?:^|-)./g, (letter) => letter.slice(-1).toUpperCase())}`],
  ),
);

/** The methods that a class answers, as Allow lists them. */
export function methodsOf(HandlerClass: HandlerClass): string[] {
  return [...implementationsOf(HandlerClass).keys()];
}

/** The route of a class whose methods have been checked by methodFaults. */
export function routeOf(pattern: string, HandlerClass: HandlerClass, policy: CorsPolicy): Route {
  const methods = implementationsOf(HandlerClass);
  return makeRoute(pattern, HandlerClass, policy, methods, [...methods.keys()], policy.methods);
}

/** The route of every path that no class answers, and of `OPTIONS *`. */
export function unknownRoute(policy: CorsPolicy): Route {
  return makeRoute('*', RequestHandler, policy, new Map(), COMMON_METHODS);
}

function implementationsOf({ prototype }: HandlerClass): Map<string, Implementation> {
  const implementations = new Map<string, Implementation>();
  for (const [method, name] of METHOD_NAMES) {
    const found = Reflect.get(prototype, name) ?? (method === 'HEAD' ? prototype.doGet : undefined);
    if (typeof found === 'function') implementations.set(method, found as Implementation);
  }
  return implementations;
}

function makeRoute(
  pattern: string, HandlerClass: HandlerClass, policy: CorsPolicy, methods: Route['methods'], allowed: string[], narrowed?: readonly string[],
): Route {
  const allow = allowed.join(', ');
  const written = allowed.filter((name) => name !== 'HEAD' && name !== 'OPTIONS').map((name) => METHOD_NAMES.get(name));
  return {
    pattern,
    names: [...pattern.matchAll(/:(\w+)/g)].map((match) => match[1]!),
    HandlerClass,
    policy,
    methods,
    allow,
    corsMethods: allowed.filter((name) => narrowed?.includes(name) ?? true).join(', '),
    implementation: `${HandlerClass.name} has ${written.join(', ')}`,
    methodNotAllowed: new HttpError(405, `This path answers ${allow}`, { Allow: allow }),
  };
}

/** What of a class looks like a method that answers, but would never be called. */
export function methodFaults(HandlerClass: HandlerClass): string[] {
  const known = new Set(METHOD_NAMES.values());
  const faults: string[] = [];
  const refuse = (name: string, advice: string) => faults.push(`${HandlerClass.name}.${name} would never be called: ${advice}`);

  let prototype = HandlerClass.prototype as object;
  for (; prototype !== RequestHandler.prototype; prototype = Object.getPrototypeOf(prototype) as object) {
    for (const name of methodLike(prototype)) {
      if (known.has(name)) continue;
      const meant = [...known].find((method) => method.toLowerCase() === name.toLowerCase());
      refuse(name, meant ? `write ${meant}` : 'no HTTP method has this name');
    }
  }
  for (const name of methodLike(HandlerClass)) refuse(name, 'it is static, and methods answer on an instance');
  try {
    const blank = { request: new http.IncomingMessage(new Socket()) } as Exchange;
    for (const name of methodLike(new HandlerClass(blank))) refuse(name, `it is a field: write a method, ${name}() { … }`);
  } catch {
    // A constructor that needs a real request hides its fields from this check, and may.
  }
  return faults;
}

function methodLike(object: object): string[] {
  return Object.getOwnPropertyNames(object).filter((name) => /^do[A-Z]/.test(name));
}
