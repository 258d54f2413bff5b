import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectClosingError, expectResponses } from '../support/response.ts';

const badCodings = [
  'gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'identity', 'chunked;q=1', 'xchunked', '"chunked"', '',
  ' ', 'chunked\r\nTransfer-Encoding: chunked', 'chunked\r\nTransfer-Encoding: identity',
];
test('responds 501 or 400 to any Transfer-Encoding other than chunked, and parses nothing after it', async (t) => {
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
  const [answer] = expectResponses(await sendRaw(t, port, `${head}1\r\n[\r\n1\r\n]\r\n0\r\n\r\n`), [200]);
  assert.equal(answer!.body, '[]');
});

test('responds 400 to Transfer-Encoding in an HTTP/1.0 request', async (t) => {
  const { port } = await listen(t, routes);
  const head = 'POST / HTTP/1.0\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json';
  expectClosingError(await sendRaw(t, port, `${head}\r\n\r\n2\r\n[]\r\n0\r\n\r\n`), 400);
});
