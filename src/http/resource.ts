import type { CorsPolicy } from './cors/policy.ts';
import { HttpError } from './http-error.ts';
import { http } from './node-builtins.ts';

/** A handler class, as far as its path is concerned. */
interface ResourceClass {
  readonly name: string;
  readonly prototype: object;
  readonly bodyLimit?: number;
}

/** What one path answers, grants and allows: all that follows from its class and policy, worked out once. */
export interface Resource<Class extends ResourceClass = ResourceClass> {
  /** As the routes have it: `/notes/:id`; `*` where none matches. */
  readonly pattern: string;
  readonly HandlerClass: Class;
  readonly policy: CorsPolicy;
  /** In bytes. */
  readonly bodyLimit: number;
  /** `GET` -> `doGet`, for each method that the class answers. */
  readonly methods: ReadonlyMap<string, string>;
  /** RFC 9110, section 10.2.1. */
  readonly allow: string;
  /** Access-Control-Allow-Methods: `allow`, narrowed by the policy. */
  readonly corsMethods: string;
  readonly methodNotAllowed: HttpError;
}

/** A page may try any of these on an unknown path, and read the real 404. */
export const COMMON_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

const OTHER_METHODS = http.METHODS.filter((method) => !COMMON_METHODS.includes(method));

/** `GET` -> `doGet`, `M-SEARCH` -> `doMSearch`. No request arrives as CONNECT, and TRACE is for proxies. */
export const DO_METHODS: ReadonlyMap<string, string> = new Map(
  [...COMMON_METHODS, ...OTHER_METHODS]
    .filter((method) => method !== 'CONNECT' && method !== 'TRACE')
    .map((method) => [method, `do${method.split('-').map((part) => part[0] + part.slice(1).toLowerCase()).join('')}`]),
);

/** The methods that a class answers, as Allow lists them. */
export function methodsOf(HandlerClass: ResourceClass): string[] {
  return [...doMethodsOf(HandlerClass).keys()];
}

/** @param bodyLimit the server's, in bytes, where the class has none of its own */
export function resourceOf<Class extends ResourceClass>(
  pattern: string, HandlerClass: Class, policy: CorsPolicy, bodyLimit: number,
): Resource<Class> {
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
    methodNotAllowed: new HttpError(405, `This path answers ${allow}`, { Allow: allow }),
  };
}

/** The resource of every path that no class answers, and of `OPTIONS *`. */
export function unknownResource<Class extends ResourceClass>(
  HandlerClass: Class, policy: CorsPolicy, bodyLimit: number,
): Resource<Class> {
  const all = COMMON_METHODS.join(', ');
  return { ...resourceOf('*', HandlerClass, policy, bodyLimit), allow: all, corsMethods: all };
}

function doMethodsOf({ prototype }: ResourceClass): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [method, name] of DO_METHODS) {
    if (typeof Reflect.get(prototype, name) === 'function') found.set(method, name);
    else if (method === 'HEAD' && found.has('GET')) found.set('HEAD', 'doGet');
  }
  return found;
}
