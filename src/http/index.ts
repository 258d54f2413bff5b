// In the order in which a newcomer should read: what you write, how the server starts, how it stops. How a request is
// answered begins in dispatch.ts, and goes down from there: ending.ts, request-handler.ts, exchange.ts, answer-head.ts.
export { RequestHandler } from './request-handler.ts';
export { HttpError } from './http-error.ts';
export type { StandardSchema } from './standard-schema.ts';
export type { LogFormat, RequestLine } from './log.ts';
export { createServer, type Routes, type ServerOptions } from './server.ts';
export { type CorsFault, type CorsOptions, type Origin, corsFaults } from './cors/options.ts';
export { methodsOf } from './resource.ts';
export { hostNameFault } from './strictness.ts';
export { shutdown, stopOnSignals } from './shutdown.ts';
