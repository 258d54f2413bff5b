import type { Connection, Exchange } from './exchange.ts';

/** How many requests a connection may have in hand: then no more are read, beside those in the bytes at hand. */
export const MAXIMUM_IN_HAND = 100;

/** An exchange is in hand until its answer has left and is closed. */
export function takeInHand(exchange: Exchange, connection: Connection): void {
  const { request, response } = exchange;
  const { inHand } = connection;
  connection.closing = !response.shouldKeepAlive;
  if (inHand.push(exchange) === MAXIMUM_IN_HAND) request.socket.pause();
  // Kept until the next request, it would outlive V8's quick collections, which then take twice the memory.
  response.on('close', () => {
    inHand.shift();
    if (inHand.length === MAXIMUM_IN_HAND - 1) request.socket.resume();
    if (!request.complete) connection.unfinished = request;
  });
}
