import { HttpError, RequestHandler } from '../http/index.ts';

/** Health check for load balancers: 200 until a graceful shutdown begins, then 503. */
export class HealthHandler extends RequestHandler {
  override doGet() {
    if (this.shutdownSignal.aborted) throw new HttpError(503, 'The server is shutting down');
    return { status: 'OK' };
  }
}
