import type { IncomingMessage, OutgoingHttpHeader, Server, ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';
import { http } from './builtins.ts';

// Workarounds for behaviour of Node that no option changes. test/http/node/workarounds.test.ts shows the behaviour.

/** Replaces how Node destroys the socket after the last response, which would reset a client that is still sending. */
export function replaceDestroySoon(socket: Socket, end: () => void): void {
  socket.destroySoon = end;
}

/** Pauses a socket until continueReading(), although Node resumes it after each request and when a body is read. */
export function pauseReading(socket: Socket): void {
  socket.on('resume', pause).pause();
}

export function continueReading(socket: Socket): void {
  socket.off('resume', pause);
  // While an Upgrade request is queued, nothing listens to the data, and resuming would lose it.
  if (socket.listenerCount('data') > 0) socket.resume();
}

function pause(this: Socket): void {
  this.pause();
}

/** How much a client may still send after each call of discardInput(), in bytes. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;

/** Discards what the socket receives, in place of Node's HTTP parser, and destroys the socket if it is too much. */
export function discardInput(socket: Socket): void {
  const maxBytesRead = socket.bytesRead + MAX_DISCARDED_BYTES;
  // Node's own 'resume' listener must start reading first, because Node removes it when a 'data' listener is added. The
  // 'resume' listener would pause the socket if _paused were set, as it is while a client reads slowly.
  (socket as { _paused?: boolean })._paused = false;
  socket.resume();
  // The listeners are replaced in the next tick, because the parser may still be processing received data.
  process.nextTick(() => {
    socket.removeAllListeners('data').on('data', () => {
      if (socket.bytesRead > maxBytesRead) socket.destroy();
    });
  });
}

/**
 * Resets a connection. A TLS or Unix socket is only destroyed, because resetAndDestroy() throws for it. The same holds
 * for a socket that is ending, because Node would never close it after a reset.
 */
export function resetConnection(socket: Socket): void {
  const isEnding = socket.writableEnded && socket.writableLength === 0;
  try {
    if (isEnding) socket.destroy();
    else socket.resetAndDestroy();
  } catch {
    socket.destroy();
  }
}

/**
 * Returns the headers with Content-Length as a number. Node 20.12 to 20.19 and 22.0 to 22.17 compare a string with the
 * number of bytes that were written, and reject a body of the right length.
 */
export function withNumericLength(headers: readonly string[]): OutgoingHttpHeader[] {
  return headers.map((value, at) => (at % 2 === 1 && headers[at - 1] === 'Content-Length' ? Number(value) : value));
}

/** Sends 100 (Continue) when the body is first read (RFC 9110, 10.1.1). By default, Node sends it at once. */
export function continueOnFirstRead(request: IncomingMessage, response: ServerResponse): void {
  request._read = (size) => {
    delete (request as Partial<IncomingMessage>)._read;
    if (!response.headersSent) response.writeContinue();
    request._read(size);
  };
}

/** Returns whether the client still waits for the 100 (Continue) of continueOnFirstRead(). */
export function awaitsContinue(request: IncomingMessage): boolean {
  return Object.hasOwn(request, '_read');
}

/**
 * Starts the timeout for headers at the first connection, if another server listens in place of this one, such as a TLS
 * server. Node starts it in listen().
 */
export function startHeaderTimeout(server: Server): void {
  const [start] = server.listeners('listening');
  server.prependOnceListener('connection', () => server.listening || start!.call(server));
}

/** Closes only the listener. http.Server's close() also closes idle connections, and stops its timeouts. */
export function closeListener(server: Server): void {
  net.Server.prototype.close.call(server);
}

/** Returns a response to CONNECT or an invalid request. Node creates none. When flushed, it ends the connection. */
export function lastResponseOn(socket: Socket, request: IncomingMessage): ServerResponse {
  const response = new http.ServerResponse(request);
  response.assignSocket(socket);
  response.once('finish', () => {
    // As Node does, so that the end of the socket does not close the response again.
    response.detachSocket(socket);
    response.destroyed = true;
    response.emit('close');
    socket.destroySoon();
  });
  return response;
}

/** Returns an empty request, for bytes that are not an HTTP request. */
export function emptyRequest(socket: Socket): IncomingMessage {
  const request = new http.IncomingMessage(socket);
  request.complete = true;
  return request;
}

/**
 * Puts a request back on the socket without its Upgrade header, in front of the bytes that follow. Node stops parsing
 * after a request with this header, and loses the requests that are pipelined behind it.
 */
export function withoutUpgrade(server: Server, socket: Socket, request: IncomingMessage, rest: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request;
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!/^upgrade$/i.test(rawHeaders[at]!)) head += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`;
  }
  socket.unshift(Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), rest]));
  server.emit('connection', socket);
  socket.resume();
}
