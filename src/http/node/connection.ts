import type { Socket } from 'node:net';
import type { Exchange } from '../exchange.ts';
import type { HttpError } from '../http-error.ts';
import type { ServerState } from '../server.ts';
import { AsyncResource } from './builtins.ts';
import { continueReading, discardInput, pauseReading } from './workarounds.ts';

/** How many pipelined requests are queued before the server stops reading. Requests received by then are queued too. */
const MAX_QUEUED_REQUESTS = 100;

/** How long a connection that the server has ended may be silent before it is closed, in milliseconds. */
const LINGER_IDLE_MS = 2_000;

/** A client's connection. It serves one request at a time, and queues those that are pipelined behind it. */
export class Connection {
  readonly state: ServerState;
  readonly socket: Socket;
  /** The client's address, stored because Node forgets it when the socket closes. */
  readonly address: string | undefined;
  /** The exchange in flight, or the last one if its request was incomplete when its response was flushed. */
  exchange: Exchange | undefined;
  readonly #queue: (() => void)[] = [];
  /** The error of the last bytes received, if they are invalid. They may belong to the body of a queued request. */
  parserError: HttpError | undefined;
  /** How many requests have been received. */
  received = 0;
  /** Whether all requests received from now on are ignored (RFC 9112, section 9.6). Queued requests may still run. */
  isClosing = false;

  constructor(state: ServerState, socket: Socket) {
    this.state = state;
    this.socket = socket;
    this.address = socket.remoteAddress;
  }

  /** Whether no response is in flight. Requests are queued only while a response is in flight. */
  get isIdle(): boolean {
    return this.exchange?.response.destroyed ?? true;
  }

  get hasQueued(): boolean {
    return this.#queue.length > 0;
  }

  /** Calls `start` when the responses to all earlier requests have been flushed. */
  enqueue(start: () => void): void {
    if (this.isIdle) return start();
    // Without bind(), the request would run in the async context of the request before it.
    if (this.#queue.push(AsyncResource.bind(start)) !== MAX_QUEUED_REQUESTS) return;
    pauseReading(this.socket);
    // A socket that is not read cannot report that the client has disconnected. Only the idle timeout closes it.
    this.limitIdleTime();
  }

  /** Starts the next queued request. The exchange calls it when its response has closed. */
  release({ request }: Exchange): void {
    if (request.complete) {
      // Lets V8's minor garbage collections free the exchange. An incomplete body still needs it for its timeout.
      this.exchange = undefined;
    } else {
      // Node 20.20.0 and older remove the keep-alive timeout when the rest of the body arrives, so set it again.
      const keepAliveMs = this.socket.timeout ?? 0;
      request.once('close', () => this.isIdle && this.limitIdleTime(keepAliveMs));
    }
    const next = this.#queue.shift();
    if (this.#queue.length === MAX_QUEUED_REQUESTS - 1) continueReading(this.socket);
    // A failed write destroys the socket before the socket emits 'close'. The next response would never close.
    if (!this.socket.destroyed) next?.();
  }

  /** Ignores all requests after the one in flight, queued or still to come. */
  ignoreLaterRequests(): void {
    this.isClosing = true;
    if (this.#queue.length >= MAX_QUEUED_REQUESTS) continueReading(this.socket);
    this.#queue.length = 0;
  }

  /**
   * Sets the idle timeout of the socket. After a complete response, Node replaces it with the keep-alive timeout,
   * unless the connection closes. A synthetic socket may have no setTimeout().
   */
  limitIdleTime(milliseconds = this.state.timeouts.idleMs): void {
    this.socket.setTimeout?.(milliseconds);
  }

  /** Ends the server's side. A client that is still sending can read the response (RFC 9112, section 9.6). */
  end(): void {
    const { socket } = this;
    if (!socket.writable) return;
    // Node itself closes the connection after a response that precedes 100 (Continue), and requests may be queued then.
    this.ignoreLaterRequests();
    socket.end();
    discardInput(socket);
    this.limitIdleTime(LINGER_IDLE_MS);
    const destroyTimer = setTimeout(() => socket.destroy(), this.state.timeouts.requestMs);
    socket.once('close', () => clearTimeout(destroyTimer));
  }

  /** Drops the queue, and ends a read of the body. The server calls it when the socket has closed. */
  close(): void {
    this.#queue.length = 0;
    this.exchange?.disconnect();
  }
}
