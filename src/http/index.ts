export { RequestHandler } from './request-handler.ts';
export { HttpError } from './http-error.ts';
export { methodsOf } from './route.ts';
export { createServer, type Routes, type ServerOptions } from './server.ts';
export { isHostName } from './strictness.ts';
export { shutdown } from './shutdown.ts';
export { CORS_VARIABLES, type CorsOptions, type Origin, corsFaults } from './cors-options.ts';
export type { LogFormat } from './access-log.ts';
export type { StandardSchema } from './standard-schema.ts';
