import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection, invalidRequests, requestBytes, sendRaw, sendUntilProblem } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectClosingError, expectResponses } from '../support/response.ts';

for (const version of [
  'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/3.0', 'HTTP/9.9', 'HTTP/1', 'http/1.1', 'HTTP/1.10', '',
]) {
  test(`responds 505 or 400 to the version "${version}"`, async (t) => {
    const { port } = await listen(t, routes);
    expectClosingError(await sendRaw(t, port, `GET / ${version}\r\nHost: 127.0.0.1\r\n\r\n`), [505, 400]);
  });
}

test('responds 505 or 400 to the HTTP/2 preface', async (t) => {
  const { port } = await listen(t, routes);
  expectClosingError(await sendRaw(t, port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), [505, 400]);
});

const badCodings = [
  'gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'identity', 'chunked;q=1', 'xchunked', '"chunked"', '',
  ' ', 'chunked\r\nTransfer-Encoding: chunked', 'chunked\r\nTransfer-Encoding: identity',
];
test('rejects any Transfer-Encoding but chunked, and parses nothing after it', async (t) => {
  const { port } = await listen(t, routes);
  await Promise.all(badCodings.map(async (coding) => {
    const head = requestBytes('POST /', ['Content-Type: application/json', `Transfer-Encoding: ${coding}`]);
    expectClosingError(await sendRaw(t, port, `${head}0\r\n\r\n${requestBytes('GET /')}`), [501, 400]);
  }));
});

test('matches Transfer-Encoding: chunked case-insensitively', async (t) => {
  const { port } = await listen(t, routes);
  const head = requestBytes('POST /', [
    'Content-Type: application/json',
    'Transfer-Encoding: Chunked',
    'Connection: close',
  ]);
  const [response] = expectResponses(await sendRaw(t, port, `${head}1\r\n[\r\n1\r\n]\r\n0\r\n\r\n`), [200]);
  assert.equal(response!.body, '[]');
});

test('responds 400 to Transfer-Encoding in an HTTP/1.0 request', async (t) => {
  const { port } = await listen(t, routes);
  const head = 'POST / HTTP/1.0\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json';
  expectClosingError(await sendRaw(t, port, `${head}\r\n\r\n2\r\n[]\r\n0\r\n\r\n`), 400);
});

test('accepts 100 headers and responds 431 to more', async (t) => {
  const { port } = await listen(t, routes);
  const lines = (count: number) => Array.from({ length: count - 2 }, (_, index) => `x${index}:`);
  expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close', ...lines(100)])), [200]);
  for (const count of [101, 1_500]) {
    expectClosingError(await sendRaw(t, port, requestBytes('GET /', ['Origin: null', ...lines(count)])), 431);
  }
});

test('denies an Origin that comes after a thousand other headers', async (t) => {
  const { port } = await listen(t, routes, { cors: { origins: ['https://app.example.com'] } });
  const lines = Array.from({ length: 1_500 }, () => 'x:');
  const received = await sendRaw(t, port, requestBytes('GET /', [...lines, 'Origin: https://evil.example']));
  expectClosingError(received, 431, null);
});

test('responds 431 to headers, a target or trailers over 16 KB', async (t) => {
  const { port } = await listen(t, routes);
  const long = 'a'.repeat(17_000);
  expectClosingError(await sendRaw(t, port, requestBytes('GET /', [`x: ${long}`])), 431);
  expectClosingError(await sendRaw(t, port, requestBytes('GET /', [`${long}: x`])), 431);
  const lines = Array.from({ length: 50 }, () => `x: ${long.slice(0, 400)}`);
  expectClosingError(await sendRaw(t, port, requestBytes('GET /', lines)), 431);
  expectClosingError(await sendRaw(t, port, requestBytes(`GET /${long}`)), 431);
  const chunked = requestBytes('POST /', ['Content-Type: application/json', 'Transfer-Encoding: chunked']);
  expectClosingError(await sendUntilProblem(t, port, `${chunked}2\r\n[]\r\n0\r\nx: ${long}\r\n\r\n`), 431);
});

test('responds 413 to chunk extensions over 16 KB', async (t) => {
  const { port } = await listen(t, routes);
  const head = requestBytes('POST /', ['Content-Type: application/json', 'Transfer-Encoding: chunked']);
  expectClosingError(await sendUntilProblem(t, port, `${head}2;${'x'.repeat(17_000)}\r\n[]\r\n0\r\n\r\n`), 413);
});

const post = 'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';
const malformed: Record<string, string | Buffer> = {
  'a bare line feed after the request line': 'GET / HTTP/1.1\nHost: 127.0.0.1\n\n',
  'a bare line feed after a header': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\n\r\n',
  'a bare carriage return': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\rx: y\r\n\r\n',
  'a space before the colon': 'GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n',
  'a header without a name': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n: x\r\n\r\n',
  'a header without a colon': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx\r\n\r\n',
  'a NUL in a header': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx: a\0b\r\n\r\n',
  'a NUL in the target': 'GET /\0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  'a space in the request target': 'GET / a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  'Content-Length with Transfer-Encoding':
    `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n`,
  'two different Content-Lengths': `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n[] `,
  'two Content-Lengths in one line': `${post}Content-Length: 2, 2\r\n\r\n[]`,
  'a negative Content-Length': `${post}Content-Length: -2\r\n\r\n[]`,
  'a Content-Length with a sign': `${post}Content-Length: +2\r\n\r\n[]`,
  'a Content-Length in hexadecimal': `${post}Content-Length: 0x2\r\n\r\n[]`,
  'a Content-Length beyond 64 bits': `${post}Content-Length: 99999999999999999999\r\n\r\n[]`,
  'an invalid chunk size': `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n`,
  'a chunk size beyond 64 bits': `${post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n[]`,
  'a chunk longer than its size': `${post}Transfer-Encoding: chunked\r\n\r\n1\r\n[]\r\n0\r\n\r\n`,
  'a chunk that ends in a bare line feed': `${post}Transfer-Encoding: chunked\r\n\r\n2\n[]\n0\n\n`,
  'an invalid trailer': `${post}Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\nx\r\n\r\n`,
  'a TLS handshake': Buffer.from('160301020001000001fc0303' + 'ab'.repeat(500), 'hex'),
  'a line of text': 'hello\r\n\r\n',
  'zero bytes': Buffer.alloc(100),
  'an unknown method': requestBytes('FOO /'),
  'a lower-case method': requestBytes('get /'),
};
const ACCEPTED = process.versions['llhttp']!.startsWith('8.') ? ['a header without a name'] : [];
for (const [what, bytes] of Object.entries(malformed)) {
  const skip = ACCEPTED.includes(what) && 'the parser of Node 20.19 and older accepts it';
  test(`rejects ${what} and closes the connection`, { skip }, async (t) => {
    const { port } = await listen(t, routes);
    expectClosingError(await sendUntilProblem(t, port, bytes), [400, 501]);
  });
}

test('does not take a later byte 22 of a connection for a TLS handshake', async (t) => {
  const { port } = await listen(t, routes);
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  await connection.until(/\}$/);
  connection.send('\x16\r\n\r\n');
  const [, response] = expectResponses(await connection.untilClosed(), [200, 400]);
  assert.match(response!.body!, /not an HTTP\/1\.1 request/);
});

for (const [what, start, status] of [
  ['headers without an end', 'GET / HTTP/1.1\r\nX: ', 431],
  ['an invalid chunk', `${post}Transfer-Encoding: chunked\r\n\r\n`, 400],
  ['garbage', '', 400],
] as const) {
  test(`delivers the error to a client that first writes 5 MB: ${what}`, async (t) => {
    const { port } = await listen(t, routes);
    const bytes = Buffer.concat([Buffer.from(start), Buffer.alloc(5_000_000, 'x')]);
    for (let times = 0; times < 2; times++) {
      const connection = await Connection.open(t, port);
      connection.socket.pause();
      await new Promise((resolve) => connection.socket.write(bytes, resolve));
      connection.socket.resume();
      expectClosingError(await connection.until(/\}$/), status);
    }
  });
}

for (const [status, bytes] of invalidRequests) {
  test(`sends a Date header with responses to malformed requests: ${status}`, async (t) => {
    const { port } = await listen(t, {}, { requestTimeout: 1 });
    const [response] = expectResponses(await sendRaw(t, port, bytes), [status]);
    const date = response!.headers.get('date');
    assert.match(date ?? 'none', /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
    assert.ok(Math.abs(Date.parse(date!) - Date.now()) < 60_000);
  });
}
