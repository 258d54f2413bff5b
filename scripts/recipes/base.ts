import { randomUUID } from 'node:crypto';
import { type AccessLogEntry, RequestHandler } from '../../src/http/index.ts';

/** The values that a proxy may send as X-Request-Id. They cannot forge a log entry or fill the log. */
const REQUEST_ID = /^[\w.:-]{1,64}$/;

/**
 * Extend this class instead of RequestHandler. Every response then has a request ID and security headers, and the log
 * names the request ID. With `baseHandler: ApiHandler` among the options of createServer() in main.ts, responses
 * without a route have them too. A page of another origin can read the ID with CORS_EXPOSED_HEADERS=x-request-id.
 */
export class ApiHandler extends RequestHandler {
  readonly requestId = requestIdOf(this.request.headers['x-request-id']);

  override endHeaders() {
    this.sendHeader('X-Request-Id', this.requestId);
    this.sendHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'");
    this.sendHeader('Referrer-Policy', 'no-referrer');
    return super.endHeaders();
  }

  override logRequest(entry: AccessLogEntry) {
    super.logRequest({ ...entry, requestId: this.requestId });
  }

  override logError(error: unknown) {
    super.logError(new Error(`Request ${this.requestId} failed`, { cause: error }));
  }
}

function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && REQUEST_ID.test(header) ? header : randomUUID();
}
