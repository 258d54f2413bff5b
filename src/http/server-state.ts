import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Log } from './access-log.ts';

/** One request and what becomes of it, as far as its connection and its deadline are concerned. */
export interface Answer {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Its headers have left. */
  readonly begun: boolean;
  /** What ServerState.sweeps was when it began to wait. */
  readonly pendingSince: number;
  /** Answers with this error instead, or cuts the socket where the answer has begun; not once it is complete. */
  fail(error: unknown): void;
  /** Tells whoever works on it that the client has left. */
  leave(): void;
}

export interface Connection {
  /** The answer to the newest request. Answers leave in order, so once this one has left, all have. */
  last?: Answer;
  /** An answer has said `Connection: close`: it closes by itself. */
  isClosing: boolean;
}

/** What all requests of one server share. */
export class ServerState {
  /** The server is about to stop: /health says so, everything else goes on as usual. */
  draining = false;
  /** The listener is closed: every answer from now on says `Connection: close`. */
  closing = false;
  readonly connections = new Map<Socket, Connection>();
  /** Answers that a promise is awaited for, oldest first; one that is given in the same tick is never in here. */
  readonly pending = new Set<Answer>();
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
