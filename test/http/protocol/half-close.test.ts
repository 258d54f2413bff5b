import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { within } from '../support/within.ts';

const CHUNKED = requestBytes('POST /', ['Content-Type: application/json', 'Transfer-Encoding: chunked']);

class Echo extends RequestHandler {
  override doPost() {
    return this.readJson();
  }
}

const errors: [what: string, bytes: string, status: number][] = [
  ['an invalid chunk', `${CHUNKED}zz\r\n`, 400],
  ['an invalid second chunk', `${CHUNKED}1\r\n[\r\nzz\r\n`, 400],
  ['too long chunk extensions', `${CHUNKED}2;${'x'.repeat(17_000)}\r\n`, 413],
  ['too long trailers', `${CHUNKED}2\r\n[]\r\n0\r\nx: ${'x'.repeat(17_000)}\r\n`, 431],
  ['a transfer coding', requestBytes('POST /', ['Transfer-Encoding: gzip']), 501],
  [
    'a too large Content-Length',
    requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 5000000']),
    413,
  ],
  ['a too large chunked body', `${CHUNKED}${(2_000).toString(16)}\r\n${'x'.repeat(2_000)}\r\n`, 413],
  [
    'an unsupported media type',
    requestBytes('POST /', ['Content-Type: a/b', 'Transfer-Encoding: chunked'], '1\r\n[\r\n'),
    415,
  ],
  ['garbage', 'garbage\r\n\r\n', 400],
  ['too long headers', requestBytes('GET /', [`X: ${'x'.repeat(17_000)}`]), 431],
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 405],
];
for (const [what, bytes, status] of errors) {
  test(`half-closes the connection after the response to ${what}`, async (t) => {
    const { port } = await listen(t, { '/': Echo }, { bodyLimit: 1_000, requestTimeout: 0.5 });
    // The 408 on this connection arrives after half a second and serves as a clock.
    const slow = await Connection.open(t, port);
    slow.send('GET / HTTP/1.1\r\n');
    const connection = await Connection.open(t, port);
    const ended = new Promise((resolve) => connection.socket.once('end', () => resolve('the end')));
    connection.send(bytes);
    assert.equal(await Promise.race([ended, slow.until('408').then(() => 'half a second later')]), 'the end');
    const [response] = expectResponses(connection.received, [status]);
    assert.equal(response!.headers.get('connection'), 'close');
    assert.equal(slow.received.includes('408'), false);
  });
}

/** Keeps sending after the server has half-closed the connection. */
async function sendOn(t: { after(free: () => void): void }, port: number, start: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => socket.destroy());
  let received = '';
  let isOver = false;
  socket.on('error', () => {});
  socket.on('data', (chunk) => (received += chunk.toString('latin1')));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve(void (isOver = true))));
  socket.write(start);
  const more = Buffer.alloc(64 * 1024, 'x');
  const write = (): void => void (isOver || socket.write(more, () => setImmediate(write)));
  write();
  await within('the close', closed);
  return received;
}

test('delivers the response to a client that never stops sending, then disconnects it', async (t) => {
  const { port } = await listen(t, { '/': Echo }, { bodyLimit: 1_000 });
  const cases = errors.filter(([what]) => /^a too large|^an invalid chunk$|^garbage/.test(what));
  await Promise.all(
    cases.map(async ([what, bytes, status]) => {
      const received = await sendOn(t, port, bytes);
      assert.match(received, new RegExp(`^HTTP/1\\.1 ${status} `), what);
      expectResponses(received, [status]);
    }),
  );
});
