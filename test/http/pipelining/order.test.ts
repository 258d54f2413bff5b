import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { EventEmitter, once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { within } from '../support/within.ts';

for (const path of ['/', '/later']) {
  test(`responds to GET ${path} before reporting garbage or CONNECT behind it`, async (t) => {
    const { port } = await listen(t, routes);
    const get = requestBytes(`GET ${path}`);
    expectResponses(await sendRaw(t, port, `${get}garbage\r\n\r\n`), [200, 400]);
    expectResponses(await sendRaw(t, port, `${get}${get}garbage\r\n\r\n`), [200, 200, 400]);
    expectResponses(await sendRaw(t, port, `${get}${get}CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n`), [200, 200, 405]);
  });
}

for (const [what, first, status] of [
  ['the client', requestBytes('GET /', ['Connection: close']), 200],
  ['the server', 'GET / HTTP/1.1\r\n\r\n', 400],
] as const) {
  for (const rest of ['garbage', requestBytes('GET /'), requestBytes('CONNECT example.com:443')]) {
    test(`sends nothing after Connection: close from ${what}: ${rest.split(' ', 1)[0]}`, async (t) => {
      const { port } = await listen(t, routes);
      const [response] = expectResponses(await sendRaw(t, port, first + rest), [status]);
      assert.equal(response!.headers.get('connection'), 'close');
    });
  }
}

test('responds to pipelined requests in order', async (t) => {
  const { port } = await listen(t, routes);
  const [now, later] = [requestBytes('GET /'), requestBytes('GET /later')];
  const last = requestBytes('GET /', ['Connection: close']);
  const received = await sendRaw(t, port, later + now + later + last);
  const responses = expectResponses(received, [200, 200, 200, 200]);
  assert.deepEqual(responses.map(({ body }) => body === '"later"'), [true, false, true, false]);
});

class Unread extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return 'unread';
  }
}

test('does not lose a pending pipelined response if a later body is invalid', async (t) => {
  class Late extends RequestHandler {
    override async doGet() {
      await once(broken, 'broken');
      return 'late';
    }
  }
  const broken = new EventEmitter();
  const { port, server } = await listen(t, { '/late': Late, '/': Unread });
  server.on('clientError', () => broken.emit('broken'));
  const post = requestBytes('POST /', ['Transfer-Encoding: chunked'], '1\r\na\r\nnot a chunk');
  const received = await within('the end', sendRaw(t, port, requestBytes('GET /late') + post));
  expectResponses(received, [200, 200]);
});

test('does not run a method pipelined behind a response with Connection: close', async (t) => {
  const called: string[] = [];
  class Closes extends RequestHandler {
    override async doGet() {
      await arrived;
      this.sendHeader('Connection', 'close');
      return 'last';
    }
    override doPost() {
      called.push('doPost');
    }
  }
  const { port, server } = await listen(t, { '/': Closes });
  const arrived = new Promise<void>((resolve) => {
    server.on('request', ({ method }) => method === 'POST' && resolve());
  });
  const received = await sendRaw(t, port, requestBytes('GET /') + requestBytes('POST /', ['Content-Length: 0']));
  const [response] = expectResponses(received, [200]);
  assert.equal(response!.headers.get('connection'), 'close');
  assert.deepEqual(called, []);
});

test('runs a pipelined request in its own async context', async (t) => {
  const storage = new AsyncLocalStorage<string>();
  class Stored extends RequestHandler {
    override async doGet() {
      await arrived;
      return storage.getStore();
    }
  }
  const { port, server } = await listen(t, { '/:name': Stored });
  let count = 0;
  let release = () => {};
  const arrived = new Promise<void>((resolve) => (release = resolve));
  // As tracing tools do.
  const emit = server.emit.bind(server) as (name: string, ...values: unknown[]) => boolean;
  server.emit = (name: string, ...values: unknown[]) => {
    if (name !== 'request') return emit(name, ...values);
    if (++count === 2) release();
    return storage.run((values[0] as IncomingMessage).url!, () => emit(name, ...values));
  };
  const bytes = requestBytes('GET /a') + requestBytes('GET /b', ['Connection: close']);
  const responses = expectResponses(await sendRaw(t, port, bytes), [200, 200]);
  assert.deepEqual(responses.map(({ body }) => body), ['"/a"', '"/b"']);
});

for (const [what, bytes] of [['invalid bytes', 'garbage\r\n\r\n'], ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\n\r\n']]) {
  test(`ignores ${what} behind a request above server.maxRequestsPerSocket`, async (t) => {
    const { port, server } = await listen(t, routes);
    server.maxRequestsPerSocket = 1;
    const received = await sendRaw(t, port, requestBytes('GET /later').repeat(2) + bytes);
    assert.deepEqual(received.match(/(?<=HTTP\/1\.1 )\d+/g), ['200', '503']);
  });
}
