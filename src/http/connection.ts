import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { AnswerHead } from './answer-head.ts';
import type { CorsPolicy } from './cors/policy.ts';
import { abandon, fail } from './ending.ts';
import type { Connection, ServerState } from './exchange.ts';
import { HttpError } from './http-error.ts';
import { discard } from './in-hand.ts';
import { http } from './node-builtins.ts';
import { COMMON_METHODS } from './resource.ts';
import { CLOSE, FRAMING } from './strictness.ts';

const NOT_HTTP = new HttpError(400, 'These bytes are not an HTTP/1.1 request', CLOSE);
const NOT_TLS = new HttpError(400, 'This port speaks http, not https: write http:// in its address', CLOSE);
const UNREADABLE = new Map([
  ['HPE_HEADER_OVERFLOW', new HttpError(431, 'The head of a request may have at most 16 kB', CLOSE)],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', new HttpError(413, 'The chunk extensions are too long', CLOSE)],
  ['HPE_INVALID_TRANSFER_ENCODING', FRAMING],
  ['ERR_HTTP_REQUEST_TIMEOUT', new HttpError(408, 'The request took too long to arrive', CLOSE)],
]);
const NO_TUNNEL = new HttpError(405, 'This server is not a proxy', { Allow: COMMON_METHODS.join(', '), ...CLOSE });
const TOO_SLOW = new HttpError(503, 'The answer took too long', CLOSE);
const BODY_TOO_SLOW = new HttpError(408, 'The body took too long to arrive', CLOSE);

/** How long a connection that the server has ended may go on sending, in milliseconds. */
const LINGER = 2_000;

/**
 * Looks after a server's connections: what they have in hand, clients that are too slow, bytes that are not a request,
 * and the end.
 *
 * @param policy of answers to no request
 * @param handlerTimeout in seconds; 0: none
 */
export function watchConnections(server: Server, state: ServerState, policy: CorsPolicy, handlerTimeout: number): void {
  server.on('connection', (socket) => {
    const connection: Connection = {
      address: socket.remoteAddress, inHand: [], held: [], unread: 0, closing: false, unfinished: undefined,
    };
    state.connections.set(socket, connection);
    // Node calls it after the last answer, and would then close at once: what the client still sends would be answered
    // with a reset, and the client might never see the answer.
    socket.destroySoon = () => endSocket(socket);
    // After a CONNECT node listens no longer, and an error that nobody listens for would stop the process.
    socket.on('error', () => {});
    socket.once('close', () => {
      state.connections.delete(socket);
      for (const exchange of connection.inHand) abandon(exchange, 'The client has left');
    });
  });

  server.on('connect', (_request, duplex) => {
    const socket = duplex as Socket;
    const { inHand } = state.connections.get(socket)!;
    // Node has taken its own listeners off, but answers before it may still be on their way.
    socket.on('drain', () => inHand[0]?.response.emit('drain'));
    socket.on('timeout', () => server.emit('timeout', socket));
    socket.on('end', () => endSocket(socket));
    discard(socket);
    refuse(state, policy, socket, NO_TUNNEL);
  });
  server.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, duplex) => {
    const socket = duplex as Socket;
    const connection = state.connections.get(socket);
    // Broken, or ended with an answer that was given already.
    if (!connection || !socket.writable) return;
    // Silent from the start, as a browser's preconnected socket is: it asked nothing, and is told nothing.
    const isSilent = socket.bytesRead === 0;
    if (isSilent || error.code === 'ECONNRESET' || error.code === 'EPIPE') return void socket.destroy();

    discard(socket);
    // RFC 8446, section 5.1: 22 begins a TLS handshake.
    const isTls = error.rawPacket?.[0] === 22 && socket.bytesRead === error.rawPacket.length;
    const problem = isTls ? NOT_TLS : (UNREADABLE.get(error.code ?? '') ?? NOT_HTTP);
    const newest = connection.inHand.at(-1);
    const unfinished = newest && !newest.request.complete ? newest.request : connection.unfinished;
    if (newest && unfinished === newest.request && !newest.isOver) fail(newest, problem);
    // One request, one answer: what is wrong with the rest of a request that was answered is not said.
    else if (unfinished?.complete === false) afterAnswers(connection, () => endSocket(socket));
    else if (!connection.closing) refuse(state, policy, socket, problem);
  });

  // A client that does not read, or that keeps a connection for nothing; not a stream that has nothing to say yet.
  server.on('timeout', (socket) => {
    const [oldest, next] = state.connections.get(socket)?.inHand ?? [];
    // Where reading has paused because of what is behind it, a client that has left could not be told from another.
    const isUnseen = next && socket.isPaused();
    const isWaiting = oldest && !oldest.response.writableEnded && socket.writableLength === 0 && !isUnseen;
    if (isWaiting) socket.setTimeout(state.readTimeout);
    else socket.destroy();
  });

  if (handlerTimeout === 0) return;
  const interval = Math.min(1, handlerTimeout / 4);
  const allowed = Math.ceil(handlerTimeout / interval);
  let timer: NodeJS.Timeout | undefined;
  server.on('listening', () => (timer = setInterval(() => giveUp(state, allowed), interval * 1000).unref()));
  server.on('close', () => clearInterval(timer));
}

/**
 * Gives up on answers that have not begun in time: never too early, and at most two sweeps too late. One timer looks at
 * all of them: a timer for each request would cost more than all other checks together.
 */
function giveUp(state: ServerState, allowed: number): void {
  state.sweeps++;
  for (const { inHand } of state.connections.values()) {
    for (const exchange of [...inHand]) {
      const isLate = state.sweeps - exchange.sweep > allowed && !exchange.stream;
      if (isLate) fail(exchange, exchange.request.complete ? TOO_SLOW : BODY_TOO_SLOW);
    }
  }
}

function afterAnswers({ inHand }: Connection, act: () => void): void {
  const newest = inHand.at(-1);
  if (newest) newest.response.once('close', act);
  else act();
}

/** Answers where there is no request to answer, once the answers before it have left. */
function refuse(state: ServerState, policy: CorsPolicy, socket: Socket, problem: HttpError): void {
  const connection = state.connections.get(socket)!;
  connection.closing = true;
  afterAnswers(connection, () => {
    if (!socket.writable) return;
    endSocket(socket, bytesOf(problem, policy));
    const entry = { status: problem.status, milliseconds: 0, detail: problem.message };
    state.log.request(new http.IncomingMessage(socket), connection.address, entry);
  });
}

/** An answer as node would have written it. */
function bytesOf(problem: HttpError, policy: CorsPolicy): string {
  const head = new AnswerHead();
  const body = JSON.stringify(problem);
  head.status = problem.status;
  head.contentType = 'application/problem+json';
  for (const [name, value] of Object.entries(problem.headers)) head.add(name, value);
  const grant = policy.grant();
  if (grant && 'actual' in grant) head.fields.push(...grant.actual);
  head.complete(body, policy.vary);
  head.fields.push('Date', new Date().toUTCString());
  let lines = `HTTP/1.1 ${problem.status} ${http.STATUS_CODES[problem.status]}\r\n`;
  for (let at = 0; at < head.fields.length; at += 2) lines += `${head.fields[at]}: ${head.fields[at + 1]}\r\n`;
  return `${lines}\r\n${body}`;
}

/** Ends a connection with its last bytes, and discards for a while what still comes (RFC 9112, section 9.6). */
function endSocket(socket: Socket, bytes = ''): void {
  socket.end(bytes);
  // Where reading has paused, a listener of node's starts it again, in the next tick, before all of node's go.
  socket.resume();
  discard(socket);
  const timer = setTimeout(() => socket.destroy(), LINGER);
  socket.once('close', () => clearTimeout(timer));
}
