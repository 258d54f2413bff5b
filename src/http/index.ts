// node/node-server.ts receives each request, node/connection.ts queues it behind earlier ones, dispatch.ts checks it,
// your RequestHandler handles it, and exchange.ts sends the response.
export { RequestHandler } from './request-handler.ts';
export { HttpError } from './http-error.ts';
export { createServer, type Routes, type ServerOptions } from './server.ts';
export { shutdown, stopOnSignals } from './node/shutdown.ts';
export type { StandardSchema } from './standard-schema.ts';
export type { AccessLogEntry, LogFormat } from './node/log.ts';
export {
  type CorsOptionError, type CorsOptions, type Origin, type OriginPredicate, corsErrors,
} from './cors/options.ts';
export { originMatcher } from './cors/origins.ts';
export { type HandlerClass, methodsOf } from './resource.ts';
export { hostNameError, isLoopback } from './host-names.ts';
export { warmUp } from './node/warm-up.ts';

/** The version of src/http and test/http, which are replaced together. CHANGELOG.md lists the changes. */
export const VERSION = '2.1.6';
