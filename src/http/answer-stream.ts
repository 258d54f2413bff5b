import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import type { AnswerHead } from './answer-head.ts';

interface Answer {
  readonly head: AnswerHead;
  abort(reason: Error): void;
  logError(error: Error): void;
}

/** Sends the headers, and returns the stream for a body that its handler writes. */
export function openBody(response: ServerResponse, answer: Answer): Writable {
  if (response.req.method === 'HEAD') {
    response.end();
    return unreadBody(answer);
  }
  response.flushHeaders();
  const fail = (error?: Error) => {
    if (error && !response.req.socket.destroyed) answer.logError(error);
    cut(response);
  };
  // Where the source of a pipeline() fails, it does this, and would only end the connection.
  response.destroy = (error) => {
    fail(error);
    return response;
  };
  const { contentLength, status } = answer.head;
  const isAnnounced = contentLength !== undefined && status !== 204 && status !== 304;
  const stream = isAnnounced ? announcedBody(response, contentLength) : response;
  // What is written after the end is lost, and no reason to stop the server.
  return stream.on('error', fail);
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

/** The stream for a body that is not sent: it fails in the next turn, as if the client had left. */
function unreadBody(answer: Answer): Writable {
  // Each write takes a turn: a source that never waits would otherwise block the process.
  const body = new Writable({ write: (_chunk, _encoding, done) => void setImmediate(done) });
  setImmediate(() => {
    const reason = new Error('Nobody reads the body of an answer to HEAD');
    body.destroy(reason);
    answer.abort(reason);
  });
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
