import type { Socket } from 'node:net';
import type { Connection, Exchange } from './exchange.ts';

/** How many requests a connection may have in hand: then no more are read, beside those in the bytes at hand. */
const MAXIMUM_IN_HAND = 100;

/** How much a client may leave unread, in characters, before its next request on the connection has to wait. */
const MAXIMUM_UNREAD = 1024 * 1024;
/** How much a connection may still send that is not a request any more, in bytes. */
const MAXIMUM_DISCARDED = 64 * 1024 * 1024;

/** An exchange is in hand until its answer has left and is closed. */
export function takeInHand(exchange: Exchange, connection: Connection): void {
  const { request, response } = exchange;
  const { inHand } = connection;
  connection.closing = !response.shouldKeepAlive || request.headers.upgrade !== undefined;
  // Node goes on reading at the end of each request, and where a body is read.
  if (inHand.push(exchange) === MAXIMUM_IN_HAND) request.socket.on('resume', pause).pause();
  // An exchange that was kept until the next request would outlive V8's quick collections: twice the memory.
  response.on('close', () => {
    // Nearly always it is the only one; and what shift() has emptied gets new room from V8 with the next push().
    if (inHand.length === 1) inHand.pop();
    else inHand.shift();
    if (inHand.length === MAXIMUM_IN_HAND - 1) request.socket.off('resume', pause).resume();
    if (!request.complete) connection.unfinished = request;
    if (exchange.stream && exchange.body) connection.unread -= exchange.body.length;
    while (connection.held.length > 0 && !isUnread(connection)) connection.held.shift()!();
  });
}

/** Whether the client does not read what it has asked for: to answer more of its requests would fill the memory. */
export function isUnread({ unread }: Connection): boolean {
  return unread > MAXIMUM_UNREAD;
}

/** Has `answer` called once the client has read the answers before this one. */
export function hold(exchange: Exchange, connection: Connection, answer: () => void): void {
  // Its time begins with its turn.
  exchange.sweep = Infinity;
  connection.held.push(() => {
    exchange.sweep = exchange.state.sweeps;
    if (!exchange.isOver) answer();
  });
}

/** What a connection still sends is read, but it is not a request any more. */
export function discard(socket: Socket): void {
  let left = MAXIMUM_DISCARDED;
  const count = (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) socket.destroy();
  };
  // Not in this tick: node's parser may be at work on what has come.
  process.nextTick(() => socket.removeAllListeners('data').on('data', count));
}

function pause(this: Socket): void {
  this.pause();
}
