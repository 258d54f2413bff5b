import { once } from 'node:events';
import { setInterval } from 'node:timers/promises';
import { RequestHandler } from '../../src/http/index.ts';

/** Server-sent events: a page reads them with `new EventSource(url)`, which reconnects after the end. */
export class EventsHandler extends RequestHandler {
  /** In milliseconds. */
  static interval = 1_000;

  override async doGet() {
    this.sendHeader('Content-Type', 'text/event-stream');
    const stream = this.endHeaders();
    const { signal } = this;
    try {
      for await (const _ of setInterval(EventsHandler.interval, undefined, { signal })) {
        // The server is stopping: a stream that goes on is cut at the end of SHUTDOWN_TIMEOUT.
        if (this.shutdownSignal.aborted) return;
        const isTaken = stream.write(`data: ${JSON.stringify({ time: new Date() })}\n\n`);
        if (!isTaken) await once(stream, 'drain', { signal });
      }
    } catch (error) {
      // Usually, the stream ends because the client leaves.
      if (!signal.aborted) throw error;
    }
  }
}
