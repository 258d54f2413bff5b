// In the order in which a newcomer should read: what you write, how the server starts, how it stops. The way of a
// request: connection.ts, dispatch.ts, strictness.ts, router.ts, cors/policy.ts (what its origin is granted), your
// method with its request-body.ts and json-body.ts, ending.ts, exchange.ts, answer-head.ts.
export { RequestHandler } from './request-handler.ts';
export { HttpError } from './http-error.ts';
export type { StandardSchema } from './standard-schema.ts';
export type { LogFormat, RequestLine } from './log.ts';
export { createServer, type Routes, type ServerOptions } from './server.ts';
export {
  type CorsOptionError, type CorsOptions, type Origin, type OriginPredicate, corsErrors,
} from './cors/options.ts';
export { originMatcher } from './cors/origins.ts';
export { methodsOf } from './resource.ts';
export { hostNameError, isLoopback } from './host-names.ts';
export { shutdown, stopOnSignals } from './shutdown.ts';
