import { RequestHandler } from '../http/index.ts';

/** Python's BaseHTTPRequestHandler example: do_GET and do_POST. */
export class StatusHandler extends RequestHandler {
  override doGet() {
    return { status: 'OK' };
  }

  override async doPost() {
    return { status: 'OK', received: await this.readJson() };
  }
}
