import { type EventEmitter, on } from 'node:events';
import { RequestHandler } from '../../src/http/index.ts';

/** Upper bound on the bytes that wait for a client that reads slowly. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/** The interval of comments. nginx and load balancers end a response in which nothing is sent for a minute. */
const COMMENT_INTERVAL_MS = 30_000;

/**
 * Returns a route of server-sent events. `events.emit('message', value)` sends a value to every page that has opened
 * `new EventSource(url)`. A page reconnects when its stream ends, but not after a status other than 200, such as the
 * 502 of a proxy: it must then open a new EventSource. It misses the events that are sent before it has reconnected. If
 * several processes serve the pages, each needs the events of all, for example from a database.
 */
export function eventsRoutes(events: EventEmitter) {
  // Each open page is a listener.
  events.setMaxListeners(0);

  class EventsHandler extends RequestHandler {
    override async doGet() {
      const signal = AbortSignal.any([this.signal, this.shutdownSignal]);
      this.sendHeader('Content-Type', 'text/event-stream');
      // nginx would otherwise collect the events before it passes them on.
      this.sendHeader('X-Accel-Buffering', 'no');
      // After the 204 of a method that returns nothing, an EventSource would never reconnect.
      if (signal.aborted) return void this.endHeaders();
      let timer: NodeJS.Timeout | undefined;
      try {
        // Listening begins before the page learns that the stream is open, so that it misses nothing after that.
        const messages = on(events, 'message', { signal });
        const stream = this.endHeaders();
        timer = setInterval(() => stream.write(':\n\n'), COMMENT_INTERVAL_MS);
        for await (const [value] of messages) {
          stream.write(`data: ${JSON.stringify(value)}\n\n`);
          if (stream.writableLength > MAX_BUFFERED_BYTES) return;
        }
      } catch (error) {
        // The page was closed, or the server is shutting down.
        if (!signal.aborted) throw error;
      } finally {
        clearInterval(timer);
      }
    }
  }

  return { '/events': EventsHandler };
}
