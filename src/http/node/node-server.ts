import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { dispatch } from '../dispatch.ts';
import { HttpError } from '../http-error.ts';
import { hasBody } from '../request-body.ts';
import { COMMON_METHODS } from '../resource.ts';
import type { ServerState } from '../server.ts';
import { http } from './builtins.ts';
import { Connection } from './connection.ts';
import { CLOSE, UNCLEAR_LENGTH } from './request-validation.ts';
import { checkTimeouts } from './timeouts.ts';
import {
  continueOnFirstRead, discardInput, emptyRequest, lastResponseOn, replaceDestroySoon, resetConnection,
  startHeaderTimeout, withoutUpgrade,
} from './workarounds.ts';

const HEAD_TOO_LONG = `The request line and headers must not exceed ${http.maxHeaderSize} bytes`;
const NOT_HTTP = new HttpError(400, 'The bytes received are not an HTTP/1.1 request', CLOSE);
const NOT_TLS = new HttpError(400, 'This port serves http, not https: use an http:// URL', CLOSE);
const PARSER_ERRORS = new Map([
  ['HPE_HEADER_OVERFLOW', new HttpError(431, HEAD_TOO_LONG, CLOSE)],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', new HttpError(413, 'The chunk extensions are too long', CLOSE)],
  ['HPE_INVALID_TRANSFER_ENCODING', UNCLEAR_LENGTH],
  ['ERR_HTTP_REQUEST_TIMEOUT', new HttpError(408, 'The request took too long to arrive', CLOSE)],
]);
const NO_TUNNEL = new HttpError(405, 'This server is not a proxy', { Allow: COMMON_METHODS.join(', '), ...CLOSE });

const NODE_READS_UPGRADE_BODY = Number.parseInt(process.versions.node) >= 25;

/** Creates the Node server. It dispatches requests, and responds to whatever else a client sends, or disconnects it. */
export function createNodeServer(state: ServerState): Server {
  const { connections, timeouts } = state;
  // Restarts itself while there are connections. accept() starts it again.
  const timer = setTimeout(checkAllTimeouts, timeouts.checkIntervalMs).unref();
  const options: ServerOptions & { shouldUpgradeCallback: (request: IncomingMessage) => boolean } = {
    headersTimeout: timeouts.requestMs,
    // checkTimeouts() limits the time for the body. Node would also count the time in which the handler does not read.
    requestTimeout: 0,
    // By default Node checks every 30 seconds, so a timeout could come 30 seconds late.
    connectionsCheckingInterval: timeouts.checkIntervalMs,
    // By default, Node keeps only the first line of some headers, such as Host and Content-Type, if they are repeated.
    joinDuplicateHeaders: true,
    // Request validation sends the error with CORS headers.
    requireHostHeader: false,
    // Node 25 and newer read the body of an Upgrade request, so withoutUpgrade() could not put it back.
    shouldUpgradeCallback: (request) => !NODE_READS_UPGRADE_BODY || !hasBody(request) || hasOwnUpgradeListener(),
  };
  const server = http.createServer(options);
  startHeaderTimeout(server);

  // onConnect() and withoutUpgrade() emit the event again for a connection that is known.
  server.on('connection', (socket) => connections.has(socket) || accept(socket));
  server.on('request', receive);
  // With listeners for these two, Node leaves 417 and 100 (Continue) to the server.
  server.on('checkExpectation', receive);
  server.on('checkContinue', (request, response) => {
    continueOnFirstRead(request, response);
    receive(request, response);
  });
  server.on('upgrade', onUpgrade);
  server.on('connect', onConnect);
  server.on('clientError', onClientError);
  server.on('timeout', onTimeout);
  // Above server.maxRequestsPerSocket, Node itself responds and closes the connection. What follows is ignored.
  server.on('dropRequest', (_request, duplex) => {
    const connection = connections.get(duplex as Socket);
    if (connection) connection.isClosing = true;
  });
  return server;

  function accept(socket: Socket): Connection {
    const connection = new Connection(state, socket);
    if (connections.size === 0) timer.refresh();
    connections.set(socket, connection);
    replaceDestroySoon(socket, () => connection.end());
    // Node removes its 'error' listener before 'upgrade', and an 'error' event without a listener ends the process.
    socket.on('error', () => {});
    // Before Node's own listener, which destroys the request with another error.
    socket.prependOnceListener('close', () => {
      connection.close();
      connections.delete(socket);
    });
    return connection;
  }

  function receive(request: IncomingMessage, response: ServerResponse): void {
    // A response on a destroyed socket never emits 'close'. The socket is already destroyed if Node still parses bytes
    // that it received earlier, or if another http.Server passes on its 'request' event late.
    if (response.destroyed || request.socket.destroyed) return;
    const connection = connectionOf(request.socket);
    connection.received++;
    // RFC 9112, section 9.6: requests after the one that closes the connection are ignored.
    if (connection.isClosing) return discardInput(request.socket);
    connection.enqueue(() => dispatch(connection, request, response));
    if (!response.shouldKeepAlive) connection.isClosing = true;
  }

  /** Returns the connection of a socket. Creates it if another server accepted the socket, or if it is synthetic. */
  function connectionOf(socket: Socket): Connection {
    return connections.get(socket) ?? (socket instanceof Socket ? accept(socket) : new Connection(state, socket));
  }

  /** Returns whether the application handles Upgrade requests itself, such as for WebSockets. */
  function hasOwnUpgradeListener(): boolean {
    return server.listenerCount('upgrade') > 1;
  }

  function onUpgrade(request: IncomingMessage, duplex: unknown, rest: Buffer): void {
    if (hasOwnUpgradeListener()) return;
    const socket = duplex as Socket;
    const connection = connectionOf(socket);
    // While the request is queued, Node does not listen to the socket, whose events the response in flight needs.
    const onDrain = () => connection.exchange?.response.emit('drain');
    const onIdle = () => server.emit('timeout', socket);
    socket.on('drain', onDrain).on('timeout', onIdle);
    connection.enqueue(() => {
      socket.off('drain', onDrain).off('timeout', onIdle);
      withoutUpgrade(server, socket, request, rest);
    });
  }

  function onConnect(request: IncomingMessage, duplex: unknown): void {
    const socket = duplex as Socket;
    // Makes Node listen to the socket again, because an earlier response may be in flight.
    server.emit('connection', socket);
    discardInput(socket);
    respondWithError(connectionOf(socket), NO_TUNNEL, request);
  }

  function onClientError(error: NodeJS.ErrnoException & { rawPacket?: Buffer }, duplex: unknown): void {
    const connection = connections.get(duplex as Socket);
    // The connection is broken (ECONNRESET, EPIPE), or ended by an earlier error.
    if (!connection?.socket.writable) return;
    if (error.code !== 'ERR_HTTP_REQUEST_TIMEOUT') return onBadRequest(connection, error);
    // If the event loop was blocked for longer than the timeout, the headers may have arrived meanwhile.
    const { received } = connection;
    setImmediate(() => {
      if (connection.received === received && connection.socket.writable) onBadRequest(connection, error);
    });
  }

  function onBadRequest(connection: Connection, error: NodeJS.ErrnoException & { rawPacket?: Buffer }): void {
    const { exchange, socket } = connection;
    // A connection that a browser opened in advance, and never used, gets no response.
    if (socket.bytesRead === 0) return void socket.destroy();
    // When the client ends its side, Node ends the socket, unless a pipelined request is incomplete. Ending it here
    // aborts the response in flight.
    if (socket.readableEnded && exchange?.request.complete && !connection.isIdle) return void socket.end();
    discardInput(socket);
    // RFC 8446, section 5.1: a TLS handshake begins with the byte 22.
    const isTls = error.rawPacket?.[0] === 22 && socket.bytesRead === error.rawPacket.length;
    const parserError = isTls ? NOT_TLS : (PARSER_ERRORS.get(error.code ?? '') ?? NOT_HTTP);
    connection.parserError = parserError;
    if (!exchange || exchange.request.complete) respondWithError(connection, parserError);
    // A request has only one response. After it, an error in the rest of the body just ends the connection.
    else if (exchange.isSettled || exchange.response.writableEnded) connection.enqueue(() => connection.end());
    // The client has disconnected in the middle of the body, and no problem can be sent any more.
    else if (exchange.stream && socket.readableEnded) resetConnection(socket);
    else exchange.fail(parserError);
  }

  /** Responds with an error to CONNECT and to bytes that are not a request, once earlier responses are flushed. */
  function respondWithError(
    connection: Connection, requestError: HttpError, request: IncomingMessage = emptyRequest(connection.socket),
  ): void {
    const { socket } = connection;
    if (connection.isClosing) return;
    connection.enqueue(() => {
      if (socket.writable) dispatch(connection, request, lastResponseOn(socket, request), requestError);
    });
  }

  /** Closes an idle connection, unless the server reads the socket and the response waits for the handler. */
  function onTimeout(socket: Socket): void {
    const { bytesRead } = socket;
    // If the event loop was blocked for longer than the timeout, data that has arrived meanwhile is read first.
    setImmediate(() => {
      if (socket.bytesRead !== bytesRead) return;
      const connection = connections.get(socket);
      const { request, response } = connection?.exchange ?? {};
      const waitsForHandler = response && !response.writableEnded && socket.writableLength === 0;
      // A socket that is not read cannot report that the client has disconnected. It is closed, unless the handler is
      // reading the body slowly.
      const isRead = socket.readableFlowing || (request?.readableDidRead && !request.complete);
      if (waitsForHandler && isRead) connection!.limitIdleTime();
      else socket.destroy();
    });
  }

  /** Checks the timeouts of all requests, because a timer for each request has a measurable cost. */
  function checkAllTimeouts(): void {
    if (connections.size > 0) timer.refresh();
    for (const { exchange } of connections.values()) if (exchange) checkTimeouts(exchange);
  }
}
