import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { HttpError, RequestHandler, type ServerOptions } from '../../../src/http/index.ts';
import { Connection, announced, requestBytes, sendRaw, withBody } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectClosingError, expectResponses } from '../support/response.ts';
import { within } from '../support/within.ts';

const allowed: ServerOptions = { allowedHosts: ['api.example.com', '127.0.0.1'] };

const expecting = ['Content-Type: application/json', 'Content-Length: 2', 'Expect: 100-continue'];

test('sends 100 Continue once the headers are valid, then the response', async (t) => {
  const { port } = await listen(t, routes);
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', [...expecting, 'Connection: close']));
  assert.equal(await connection.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  connection.send('[]');
  const [, response] = expectResponses(await connection.untilClosed(), [100, 200]);
  assert.equal(response!.body, '[]');
});

const expectingBad: Record<number, [requestLine: string, headers: string[]]> = {
  401: ['POST /guarded', expecting],
  404: ['POST /nowhere', expecting],
  405: ['PUT /', expecting],
  413: ['POST /', ['Content-Type: application/json', 'Content-Length: 9999999', 'Expect: 100-continue']],
  415: ['POST /', ['Content-Type: text/plain', 'Content-Length: 2', 'Expect: 100-continue']],
  421: ['POST http://evil.example/', expecting],
};
for (const [status, [requestLine, headers]] of Object.entries(expectingBad)) {
  test(`sends no 100 Continue before a ${status} response`, async (t) => {
    const { port } = await listen(t, routes, allowed);
    const connection = await Connection.open(t, port);
    connection.send(requestBytes(requestLine, headers));
    const [response] = expectResponses(await connection.until(/\}$/), [Number(status)]);
    assert.equal(response!.headers.get('connection'), 'close');
  });
}

test('never sends 100 Continue to an HTTP/1.0 client', async (t) => {
  const { port } = await listen(t, routes);
  const request = `POST / HTTP/1.0\r\n${expecting.join('\r\n')}\r\n\r\n[]`;
  const [response] = expectResponses(await sendRaw(t, port, request), [200]);
  assert.equal(response!.body, '[]');
});

test('responds 417 to any other expectation', async (t) => {
  const { port } = await listen(t, routes);
  for (const expectation of ['tea', '100-continue, tea', '200-ok']) {
    expectClosingError(await sendRaw(t, port, requestBytes('GET /', [`Expect: ${expectation}`])), 417);
  }
});

test('ignores Expect in HTTP/1.0 requests', async (t) => {
  const { port } = await listen(t, routes);
  expectResponses(await sendRaw(t, port, 'GET / HTTP/1.0\r\nExpect: tea\r\n\r\n'), [200]);
});

const EXPECT = 'Expect: 100-continue';

class Bytes extends RequestHandler {
  override async doPost() {
    const body = await this.readBody();
    return { isBuffer: Buffer.isBuffer(body), hex: body.toString('hex') };
  }
}

/** Common ways to read a request stream. */
const ways: Record<string, (request: IncomingMessage) => Promise<string>> = {
  'for await': async (request) => {
    let read = '';
    for await (const chunk of request) read += String(chunk);
    return read;
  },
  "on('data')": (request) =>
    new Promise((resolve) => {
      let read = '';
      request.on('data', (chunk) => (read += String(chunk)));
      request.on('end', () => resolve(read));
    }),
  "on('readable')": (request) =>
    new Promise((resolve) => {
      let read = '';
      request.on('readable', () => {
        for (let chunk; (chunk = request.read()) !== null;) read += String(chunk);
      });
      request.on('end', () => resolve(read));
    }),
  'pipe()': (request) => text(request.pipe(new PassThrough())),
  'pipeline()': async (request) => {
    const through = new PassThrough();
    const [read] = await Promise.all([text(through), pipeline(request, through)]);
    return read;
  },
  'text()': (request) => text(request),
  'a read in a later tick': async (request) => {
    await new Promise(setImmediate);
    return text(request);
  },
};
for (const [how, read] of Object.entries(ways)) {
  test(`sends 100 Continue if the handler reads the request with ${how}`, async (t) => {
    class Own extends RequestHandler {
      override doPost() {
        return read(this.request);
      }
    }
    const { port } = await listen(t, { '/': Own });
    const connection = await Connection.open(t, port);
    connection.send(announced('POST /', 4, [EXPECT, 'Connection: close']));
    await within('100 Continue', connection.until('100 Continue'));
    connection.send('body');
    const [, response] = expectResponses(await within('the response', connection.untilClosed()), [100, 200]);
    assert.equal(response!.body, '"body"');
  });
}

test('sends 100 Continue when readBody is called', async (t) => {
  const { port } = await listen(t, { '/': Bytes });
  const connection = await Connection.open(t, port);
  connection.send(announced('POST /', 4, [EXPECT, 'Connection: close']));
  await within('100 Continue', connection.until('100 Continue'));
  connection.send('body');
  expectResponses(await connection.untilClosed(), [100, 200]);
});

test('serves a client that does not wait for 100 Continue', async (t) => {
  class Own extends RequestHandler {
    override doPost() {
      return text(this.request);
    }
  }
  const { port } = await listen(t, { '/': Own, '/bytes': Bytes });
  for (const path of ['/', '/bytes']) {
    const received = await sendRaw(t, port, withBody(`POST ${path}`, 'body', [EXPECT]));
    expectResponses(received, received.includes(' 100 ') ? [100, 200] : [200]);
  }
});

test('sends no 100 Continue before a 401 from prepare()', async (t) => {
  class Guarded extends Bytes {
    override prepare() {
      const { headers, method, url, socket } = this.request;
      if (!headers.authorization)
        throw new HttpError(401, `${method} ${url} from ${socket.remoteAddress}: who are you?`);
    }
  }
  class GuardedLater extends Bytes {
    override async prepare() {
      const { authorization } = this.request.headers;
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      if (!authorization) throw new HttpError(401);
    }
  }
  const { port } = await listen(t, { '/': Guarded, '/later': GuardedLater });
  for (const path of ['/', '/later']) {
    const connection = await Connection.open(t, port);
    connection.send(announced(`POST ${path}`, 4, [EXPECT]));
    const [response] = expectResponses(await connection.until(/\}$/), [401]);
    assert.equal(response!.headers.get('connection'), 'close');

    const authorized = await Connection.open(t, port);
    authorized.send(announced(`POST ${path}`, 4, [EXPECT, 'Authorization: Bearer x', 'Connection: close']));
    await within('100 Continue', authorized.until('100 Continue'));
    authorized.send('body');
    expectResponses(await authorized.untilClosed(), [100, 200]);
  }
});

for (const lines of [[EXPECT, EXPECT], ['Expect: 100-continue, 100-continue'], ['Expect: 100-Continue']]) {
  test(`sends 100 Continue once for ${JSON.stringify(lines)}`, async (t) => {
    const { port } = await listen(t, { '/': Bytes });
    const connection = await Connection.open(t, port);
    connection.send(announced('POST /', 2, [...lines, 'Connection: close']));
    await within('100 Continue', connection.until('100 Continue'));
    connection.send('[]');
    expectResponses(await connection.untilClosed(), [100, 200]);
  });
}

test('accepts an empty Expect header', async (t) => {
  const { port } = await listen(t, { '/': Bytes });
  const received = await sendRaw(t, port, withBody('POST /', '[]', ['Expect:']));
  expectResponses(received, received.includes(' 100 ') ? [100, 200] : [200]);
});

test('never sends 100 Continue to HTTP/1.0, however the body is read', async (t) => {
  class Own extends RequestHandler {
    override doPost() {
      return text(this.request);
    }
  }
  const { port } = await listen(t, { '/': Own, '/bytes': Bytes });
  for (const path of ['/', '/bytes']) {
    const bytes = withBody(`POST ${path}`, 'body', [EXPECT]).toString().replace('HTTP/1.1', 'HTTP/1.0');
    expectResponses(await sendRaw(t, port, bytes), [200]);
  }
});

test('runs no method behind a response that is sent before its 100 Continue', async (t) => {
  const log: string[] = [];
  class Early extends RequestHandler {
    override doPost() {
      return new Promise((resolve) => setImmediate(resolve, 'early'));
    }
    override doGet() {
      log.push('GET');
    }
    override logRequest() {
      log.push(`logged ${this.request.method}`);
    }
  }
  const { port } = await listen(t, { '/': Early });
  // The body has arrived, but has not been read.
  const bytes = [requestBytes('POST /', [...expecting, 'Connection: keep-alive'], '[]'), requestBytes('GET /')];
  const [response] = expectResponses(await sendRaw(t, port, bytes.join('')), [200]);
  assert.equal(response!.headers.get('connection'), 'close');
  assert.deepEqual(log, ['logged POST']);
});
