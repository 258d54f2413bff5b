// In the order in which a newcomer should read: what you write, how the server starts, how it stops. The way of a
// request: connection.ts, dispatch.ts, strictness.ts, router.ts, cors/policy.ts (what its origin is granted), your
// method with its request-body.ts and json-body.ts, ending.ts, exchange.ts, answer-head.ts.
export { RequestHandler } from './request-handler.ts';
export { HttpError } from './http-error.ts';
export type { StandardSchema } from './standard-schema.ts';
export type { AccessLogEntry, LogFormat } from './node/log.ts';
export { createServer, type Routes, type ServerOptions } from './server.ts';
export { type CorsFault, type CorsOptions, type Origin, corsFaults } from './cors/options.ts';
export { methodsOf } from './resource.ts';
export { hostNameFault } from './strictness.ts';
export { shutdown, stopOnSignals } from './shutdown.ts';
