import { once } from 'node:events';
import { setInterval } from 'node:timers/promises';
import { RequestHandler } from '../../src/http/index.ts';

/** Server-sent events: a page reads them by `new EventSource(url)`, which comes back by itself after the end. */
export class EventsHandler extends RequestHandler {
  /** In milliseconds. A stream that never looked at `draining` would be cut at the end of SHUTDOWN_TIMEOUT. */
  static interval = 1_000;

  override async doGet() {
    this.sendHeader('Content-Type', 'text/event-stream');
    const stream = this.endHeaders();
    const { signal } = this;
    try {
      for await (const _ of setInterval(EventsHandler.interval, undefined, { signal })) {
        if (this.draining) return;
        const isTaken = stream.write(`data: ${JSON.stringify({ time: new Date() })}\n\n`);
        if (!isTaken) await once(stream, 'drain', { signal });
      }
    } catch (error) {
      // That a client leaves is the usual end.
      if (!signal.aborted) throw error;
    }
  }
}
