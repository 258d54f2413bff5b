import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * How long a connection stays open after its last answer for a client that still sends, in milliseconds. Closed at
 * once, it would be reset, and the client might never see the answer.
 */
const LINGER = 2_000;

/** Sends a whole answer before the end of the request's body; ends it once the rest of that was discarded. */
export function endAfterInput(request: IncomingMessage, response: ServerResponse, body: string): void {
  response.flushHeaders();
  if (body) response.write(body);
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER);
  request.once('close', end);
  request.resume();
}

/** Sends the last bytes of a connection whose input can no longer be understood. */
export function endSocket(socket: Socket, bytes: string): void {
  socket.end(bytes);
  const timer = setTimeout(() => socket.destroy(), LINGER);
  socket.once('close', () => clearTimeout(timer));
}
