import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, JSON_TYPE, requestBytes, sendRaw } from '../support/connection.ts';
import { routes } from '../support/json-requests.ts';
import { listen } from '../support/listen.ts';
import { expectResponses, parseResponses, type RawResponse } from '../support/response.ts';
import { within } from '../support/within.ts';

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
const chunk = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;
const unread: Record<string, [request: string, status: number]> = {
  'of a GET': [requestBytes('GET /', [`Content-Length: ${smuggled.length}`], smuggled), 200],
  'of a GET, in chunks': [requestBytes('GET /', ['Transfer-Encoding: chunked'], chunk), 200],
  'of an OPTIONS': [requestBytes('OPTIONS /', [`Content-Length: ${smuggled.length}`], smuggled), 204],
  'of an unread PUT': [requestBytes('PUT /', [`Content-Length: ${smuggled.length}`], smuggled), 200],
  'of an unread PUT, in chunks': [requestBytes('PUT /', ['Transfer-Encoding: chunked'], chunk), 200],
  'of an unknown path': [requestBytes('POST /none', [`Content-Length: ${smuggled.length}`], smuggled), 404],
  'of an unsupported type': [
    requestBytes('POST /', ['Content-Type: a/b', `Content-Length: ${smuggled.length}`], smuggled),
    415,
  ],
  'of an unsupported type, in chunks': [
    requestBytes('POST /', ['Content-Type: a/b', 'Transfer-Encoding: chunked'], chunk),
    415,
  ],
  'that is too large': [
    requestBytes('POST /', [JSON_TYPE, `Content-Length: ${100 * smuggled.length}`], smuggled.repeat(100)),
    413,
  ],
};
for (const [name, [request, status]] of Object.entries(unread)) {
  test(`skips the unread body ${name}`, async (t) => {
    const { port, server } = await listen(t, routes, { bodyLimit: 1_000 });
    const bytes = request + requestBytes('GET /', ['Connection: close']);
    const head = request.indexOf('\r\n\r\n') + 4;
    for (const split of [head, head + 10, request.length, bytes.length]) {
      const connection = await Connection.open(t, port);
      connection.send(bytes.slice(0, split));
      await once(server, 'request');
      connection.send(bytes.slice(split));
      const received = await connection.untilClosed();
      const [{ headers }, next] = parseResponses(received) as [RawResponse, RawResponse?];
      expectResponses(received, next ? [status, 200] : [status]);
      assert.equal(headers.get('connection'), next ? 'keep-alive' : 'close');
      assert.equal(next?.body, next && '"got"');
    }
  });
}

class Unread extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return 'unread';
  }
}

const halves: [what: string, request: string, status: number][] = [
  ['of an unknown path', requestBytes('POST /none', ['Content-Length: 10'], '12345'), 404],
  ['of an unknown method', requestBytes('PUT /', ['Content-Length: 10'], '12345'), 405],
  ['of an unread POST', requestBytes('POST /', ['Content-Length: 10'], '12345'), 200],
  ['of a GET', requestBytes('GET /', ['Content-Length: 10'], '12345'), 200],
];
for (const [what, request, status] of halves) {
  test(`responds once if the body ${what} times out`, async (t) => {
    const { port } = await listen(t, { '/': Unread }, { requestTimeout: 0.2 });
    expectResponses(await within('the server to close', sendRaw(t, port, request)), [status]);
  });

  test(`responds once if the client half-closes in the body ${what}`, async (t) => {
    const { port } = await listen(t, { '/': Unread });
    const connection = await Connection.open(t, port);
    connection.send(request);
    await connection.until('\r\n\r\n');
    connection.socket.end();
    expectResponses(await within('the server to close', connection.untilClosed()), [status]);
  });
}

test('does not respond again to invalid chunks after the response', async (t) => {
  const { port } = await listen(t, { '/': Unread });
  for (const path of ['/', '/none']) {
    const connection = await Connection.open(t, port);
    connection.send(requestBytes(`POST ${path}`, ['Transfer-Encoding: chunked'], '1\r\nx\r\n'));
    await connection.until('\r\n\r\n');
    connection.send('zz\r\n');
    expectResponses(await within('the server to close', connection.untilClosed()), [path === '/' ? 200 : 404]);
  }
});

test('sends a single response if the body stalls while the response is streaming', async (t) => {
  class Stream extends RequestHandler {
    override async doPost() {
      const body = this.endHeaders();
      body.write('begun');
      await once(this.signal, 'abort');
    }
  }
  const { port } = await listen(t, { '/': Stream }, { requestTimeout: 0.2 });
  const received = await within(
    'the server to close',
    sendRaw(t, port, requestBytes('POST /', ['Content-Length: 10'], '12345')),
  );
  assert.equal(received.match(/HTTP\/1\.1 /g)?.length, 1);
  assert.doesNotMatch(received, /\r\n0\r\n/);
});
