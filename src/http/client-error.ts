import type { Socket } from 'node:net';
import type { CorsPolicy } from './cors.ts';
import { HttpError } from './http-error.ts';
import { endSocket } from './linger.ts';
import { http } from './node-http.ts';
import type { ServerState } from './server-state.ts';

const BAD_REQUEST = new HttpError(400, 'These bytes are no HTTP/1.1 request', { Connection: 'close' });
const ANSWERS = new Map([
  ['HPE_HEADER_OVERFLOW', new HttpError(431, 'The head of a request may have at most 16 kB', { Connection: 'close' })],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', new HttpError(413, 'The chunk extensions are too long', { Connection: 'close' })],
  ['HPE_INVALID_TRANSFER_ENCODING', new HttpError(400, 'The Transfer-Encoding leaves the length of the body in doubt', { Connection: 'close' })],
  ['ERR_HTTP_REQUEST_TIMEOUT', new HttpError(408, 'The request took too long to arrive', { Connection: 'close' })],
]);

/** Answers what node's parser refuses: on behalf of the request that it belongs to, or of none. */
export function answerClientError(state: ServerState, policy: CorsPolicy, error: NodeJS.ErrnoException, socket: Socket): void {
  const connection = state.connections.get(socket);
  // Broken, or closing with the answer that was given already.
  if (!connection || !socket.writable) return;
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return void socket.destroy();
  // Silent from the start, as a browser's preconnected socket is: it asked nothing, and is told nothing.
  if (socket.bytesRead === 0) return void socket.destroy();

  const answer = ANSWERS.get(error.code ?? '') ?? BAD_REQUEST;
  const { last } = connection;
  if (last && !last.request.complete && !last.response.writableEnded) last.fail(answer);
  else refuse(state, policy, answer, socket);
}

/** Answers where there is no request to answer, once the answers before it have left. */
export function refuse(state: ServerState, policy: CorsPolicy, error: HttpError, socket: Socket): void {
  const last = state.connections.get(socket)?.last;
  if (last) last.response.once('close', () => write(policy, error, socket));
  else write(policy, error, socket);
}

/** The same problem with the same headers, as bytes. */
function write(policy: CorsPolicy, error: HttpError, socket: Socket): void {
  if (!socket.writable) return;
  const body = JSON.stringify(error);
  const headers = Object.entries({
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    ...error.headers,
    ...(policy.vary && { Vary: policy.vary }),
  }).flat();
  headers.push(...policy.withoutOrigin.actual);
  let head = `HTTP/1.1 ${error.status} ${http.STATUS_CODES[error.status]}\r\n`;
  for (let at = 0; at < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  endSocket(socket, `${head}\r\n${body}`);
}
