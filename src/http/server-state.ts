import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from './access-log.ts';

/** An answer that a client still waits for. */
export interface PendingAnswer {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Its headers have left: it is being streamed. */
  readonly begun: boolean;
  /** What ServerState.sweeps was when it began to wait. */
  readonly pendingSince: number;
  /** Answers with this error instead, or cuts the socket where the answer has begun. */
  fail(error: unknown): void;
}

/** What all requests of one server share. */
export class ServerState {
  /** The server is about to stop: /health says so, everything else goes on as usual. */
  draining = false;
  /** The listener is closed: every answer from now on says `Connection: close`. */
  closing = false;
  readonly sockets = new Set<Socket>();
  /** Oldest first. An answer that is given in the same tick is never in here. */
  readonly pending = new Set<PendingAnswer>();
  /** Sockets whose last answer is on its way; they close by themselves. */
  readonly lastAnswered = new WeakSet<Socket>();
  /** How often the deadlines have been looked at: a clock that costs a request nothing to read. */
  sweeps = 0;
  readonly log: Log;
  /** In bytes. */
  readonly bodyLimit: number;

  constructor(log: Log, bodyLimit: number) {
    this.log = log;
    this.bodyLimit = bodyLimit;
  }
}
