import { HttpError, RequestHandler } from '../http/index.ts';

/** For load balancers: 200 while requests are welcome, 503 once the server is stopping. */
export class HealthHandler extends RequestHandler {
  override doGet() {
    if (this.shutdownSignal.aborted) throw new HttpError(503, 'The server is stopping');
    return { status: 'OK' };
  }
}
