import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';

/**
 * Sends the headers, and returns the stream for a body that its handler writes.
 *
 * @param length as the handler announced it, in bytes
 * @param logError is told what goes wrong while the client is there
 */
export function openBody(
  response: ServerResponse, length: number | undefined, logError: (error: unknown) => void,
): Writable {
  response.flushHeaders();
  // Where the source of a pipeline() fails, it does this, and would only end the connection.
  response.destroy = () => {
    cut(response);
    return response;
  };
  const stream = length === undefined ? response : announcedBody(response, length);
  // What is written after the end is lost, and no reason to stop the server.
  return stream.on('error', (error) => {
    if (!response.req.socket.destroyed) logError(error);
    cut(response);
  });
}

/** More or fewer bytes than announced would shift the next answer on the connection: either is an error. */
function announcedBody(response: ServerResponse, length: number): Writable {
  let left = length;
  const fault = () => new Error(`The length of the body differs from its Content-Length, ${length} bytes`);
  const body = new Writable({
    write(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      if (left < 0) done(fault());
      else if (response.write(chunk)) done();
      else response.once('drain', done);
    },
    final(done) {
      if (left > 0) return done(fault());
      response.end();
      done();
    },
  });
  response.once('close', () => body.destroy());
  return body;
}

/** Why a method that answers HEAD should stop, once its headers have left. */
export const NOBODY_READS = new Error('Nobody reads the body of an answer to HEAD');

/** The stream for a body that is not sent: it takes what is written in this turn, then fails as if the client left. */
export function unreadBody(): Writable {
  const body = new Writable({ write: (_chunk, _encoding, done) => done() });
  setImmediate(() => body.destroy(NOBODY_READS));
  return body.on('error', () => {});
}

/** Cuts an answer short, with a reset: an end of the connection could pass for the end of the body. */
export function cut(response: ServerResponse): void {
  const { socket } = response.req;
  if (response.writableEnded) return;
  // Before its turn nothing of it has left, and a reset could take along the answers before it.
  if (!response.socket) return void response.once('socket', () => socket.destroySoon());
  try {
    socket.resetAndDestroy();
  } catch {
    // Only TCP has a reset: neither TLS nor a Unix socket.
    socket.destroy();
  }
}
