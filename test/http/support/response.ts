import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Connection } from './connection.ts';

/** A parsed response. Duplicate headers are joined (`a, a`), so that assertions notice them. */
export interface RawResponse {
  status: number;
  headers: Headers;
  /** undefined if there is a Content-Length but no body (HEAD). */
  body: string | undefined;
}

/** Parses a byte stream into responses, including interim (1xx) ones. Throws if anything is malformed or left over. */
export function parseResponses(bytes: string): RawResponse[] {
  const responses: RawResponse[] = [];
  for (let rest = bytes; rest; ) {
    const [head, status, lines] = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n((?:[\w-]+:[^\r\n]*\r\n)*)\r\n/.exec(rest) ?? [];
    if (head === undefined) throw new Error(`Incomplete response: ${JSON.stringify(rest)}`);
    rest = rest.slice(head.length);
    const pairs = lines!.split('\r\n').slice(0, -1).map((line) => line.split(/:(.*)/, 2) as [string, string]);
    const headers = new Headers(pairs);
    let body: string | undefined = '';
    if (headers.get('transfer-encoding') === 'chunked') {
      for (let size = -1; size !== 0; ) {
        const [line, digits] = /^([0-9a-f]+)\r\n/i.exec(rest) ?? [];
        size = parseInt(digits ?? '', 16);
        const end = (line?.length ?? 0) + size;
        if (rest.slice(end, end + 2) !== '\r\n') throw new Error(`Incomplete chunk: ${JSON.stringify(rest)}`);
        body += rest.slice(line!.length, end);
        rest = rest.slice(end + 2);
      }
    } else if (headers.has('content-length')) {
      const length = Number(headers.get('content-length'));
      body = length > 0 && (rest === '' || rest.startsWith('HTTP/')) ? undefined : rest.slice(0, length);
      if (body !== undefined && body.length < length) throw new Error(`Incomplete body: ${JSON.stringify(rest)}`);
      rest = rest.slice(body?.length ?? 0);
    }
    responses.push({ status: Number(status), headers, body });
    // RFC 9112, section 9.6.
    if (rest && headers.get('connection') === 'close') {
      throw new Error(`Unexpected bytes after Connection: close: ${JSON.stringify(rest)}`);
    }
  }
  return responses;
}

/**
 * Asserts what is true of every response, namely the CORS headers, Vary, nosniff, no-store, no software name, and
 * problem+json for errors.
 *
 * @param allowOrigin the expected Access-Control-Allow-Origin, null for none
 */
export function assertValidResponse({ status, headers, body }: RawResponse, allowOrigin: string | null = '*'): void {
  if (status < 200) return;
  assert.equal(headers.get('access-control-allow-origin'), allowOrigin);
  assert.equal(headers.get('vary'), allowOrigin === '*' ? null : 'Origin');
  assert.equal(headers.get('x-content-type-options'), 'nosniff');
  assert.equal(headers.get('cache-control'), 'no-store');
  for (const name of ['server', 'x-powered-by', 'via']) assert.equal(headers.get(name), null);
  if (status < 400) return;
  assert.equal(headers.get('content-type'), 'application/problem+json');
  if (body === undefined) return;
  const { status: stated, title, detail, ...members } = JSON.parse(body);
  assert.deepEqual([stated, typeof title, typeof detail], [status, 'string', 'string']);
  assert.deepEqual(Object.keys(members).filter((name) => name !== 'errors' && name !== 'code'), []);
  assert.doesNotMatch(body, /node[:_]|\.ts\b|\n *at /i);
}

/** Parses responses, asserts their statuses and the invariants of each. */
export function expectResponses(
  bytes: string, statuses: readonly number[], allowOrigin?: string | null,
): RawResponse[] {
  const responses = parseResponses(bytes);
  assert.deepEqual(responses.map(({ status }) => status), statuses, bytes);
  for (const response of responses) assertValidResponse(response, allowOrigin);
  return responses;
}

/** Asserts that these bytes are one error response with one of these statuses and `Connection: close`. */
export function expectClosingError(received: string, statuses: number | number[], allowOrigin?: string | null): void {
  const [status] = [statuses].flat().filter((candidate) => received.startsWith(`HTTP/1.1 ${candidate} `));
  assert.ok(status, received);
  const [response] = expectResponses(received, [status], allowOrigin);
  assert.equal(response!.headers.get('connection'), 'close');
  assert.ok(response!.body);
}

/** Resolves with the first complete response, or undefined if the connection closes before that. */
export async function firstResponse(connection: Connection): Promise<RawResponse | undefined> {
  for (;;) {
    try {
      const [response] = parseResponses(connection.received);
      if (response && (response.status === 204 || response.body)) return response;
    } catch {
      // Not complete yet.
    }
    if (connection.socket.closed) return undefined;
    await Promise.race([once(connection.socket, 'data'), connection.closed]);
  }
}
