import { test } from 'node:test';
import { requestBytes, sendRaw, sendUntilProblem } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectClosingError, expectResponses } from '../support/response.ts';

test('accepts 100 headers and responds 431 to more', async (t) => {
  const { port } = await listen(t, routes);
  const lines = (count: number) => Array.from({ length: count - 2 }, (_, index) => `x${index}:`);
  expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close', ...lines(100)])), [200]);
  for (const count of [101, 1_500]) {
    expectClosingError(await sendRaw(t, port, requestBytes('GET /', ['Origin: null', ...lines(count)])), 431);
  }
});

test('cannot be bypassed by an Origin after a thousand other headers', async (t) => {
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
