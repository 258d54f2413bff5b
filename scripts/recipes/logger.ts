import { type AccessLogEntry, RequestHandler } from '../../src/http/index.ts';

/** The two methods that pino, among others, has. */
export interface Logger {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The method that Sentry, among others, has. */
export interface ErrorTracker {
  captureException(error: unknown): unknown;
}

/**
 * Returns a class that writes to your own logger and error tracker. Extend it instead of RequestHandler. In main.ts:
 *
 *     createServer(routes, { ...config.server, log: config.log, baseHandler: LoggedHandler })
 *
 * Without `baseHandler`, unknown paths, denied origins and invalid requests would go to the server's own log. LOG
 * decides how the server writes its other lines, such as hints about CORS, and errors outside of any request.
 */
export function loggedBy(logger: Logger, tracker: ErrorTracker) {
  return class LoggedHandler extends RequestHandler {
    override logRequest(entry: AccessLogEntry) {
      const { method, url } = this.request;
      logger.info({ method, url, ...entry }, 'request');
    }

    override logError(error: unknown) {
      const { method, url } = this.request;
      // pino serialises the error that is called `err`.
      logger.error({ method, url, err: error }, 'request failed');
      // Returned, so that the server logs a rejection.
      return tracker.captureException(error);
    }
  };
}
