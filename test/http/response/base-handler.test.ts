import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../../src/http/index.ts';
import { Connection, invalidRequests, requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses, parseResponses } from '../support/response.ts';
import { startupErrors } from '../support/startup-errors.ts';

class Base extends RequestHandler {
  override endHeaders() {
    this.sendHeader('X-Base', 'yes');
    return super.endHeaders();
  }
}

const close = ['Connection: close'];
const cases: readonly (readonly [status: number, bytes: string])[] = [
  [404, requestBytes('GET /unknown', close)],
  [403, requestBytes('GET /', [...close, 'Origin: https://denied.example.com'])],
  [403, requestBytes('GET /unknown', [...close, 'Origin: https://denied.example.com'])],
  [421, 'GET / HTTP/1.1\r\nHost: other.example.com\r\n\r\n'],
  ...invalidRequests,
];
for (const [status, bytes] of cases) {
  test(`calls endHeaders() of the base handler for a ${status}: ${JSON.stringify(bytes.slice(0, 20))}`, async (t) => {
    class Route extends RequestHandler {
      override doGet() {}
    }
    const { port } = await listen(t, { '/': Route }, {
      baseHandler: Base,
      allowedHosts: ['example.com'],
      requestTimeout: 0.3,
      cors: { origins: ['https://a.example.com'] },
    });
    const [response] = parseResponses(await sendRaw(t, port, bytes));
    assert.equal(response!.status, status);
    assert.equal(response!.headers.get('x-base'), 'yes');
  });
}

for (const status of [401, 404, 500]) {
  test(`keeps the headers of prepare(), but not those of the method, in a ${status}`, async (t) => {
    class Prepared extends RequestHandler {
      override async prepare() {
        this.sendHeader('X-Prepared', 'yes');
        this.sendHeader('Cache-Control', 'private');
        if (status === 401) throw new HttpError(401);
      }
      override doGet() {
        this.sendHeader('X-Method', 'yes');
        this.sendHeader('Cache-Control', 'public');
        this.sendHeader('Content-Length', 3);
        throw status === 500 ? new Error('a bug') : new HttpError(status);
      }
      override logError() {}
    }
    const { port } = await listen(t, { '/': Prepared });
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('GET /', close));
    const [response] = parseResponses(await connection.untilClosed());
    assert.equal(response!.status, status);
    assert.equal(response!.headers.get('x-prepared'), 'yes');
    assert.equal(response!.headers.get('cache-control'), 'private');
    assert.equal(response!.headers.get('x-method'), null);
    assert.ok(response!.headers.get('date'));
  });
}

test("uses the base handler's own CORS policy for unknown paths", async (t) => {
  class Closed extends RequestHandler {
    static override readonly cors = { origins: ['https://a.example.com'] } as const;
  }
  const { port } = await listen(t, {}, { baseHandler: Closed });
  const ask = async (origin: string) =>
    parseResponses(await sendRaw(t, port, requestBytes('GET /unknown', [...close, `Origin: ${origin}`])))[0]!;
  const allowed = await ask('https://a.example.com');
  assert.equal(allowed.status, 404);
  assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://a.example.com');
  const denied = await ask('https://b.example.com');
  assert.deepEqual([denied.status, denied.headers.get('access-control-allow-origin')], [403, null]);
});

test('completes an error response whose endHeaders() throws after sending the headers', async (t) => {
  class ThrowsLater extends RequestHandler {
    override endHeaders(): never {
      super.endHeaders();
      throw new Error('A bug after the response');
    }
    override logError() {}
  }
  const { port } = await listen(t, {}, { baseHandler: ThrowsLater });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /unknown') + requestBytes('GET /unknown', close));
  assert.deepEqual(parseResponses(await connection.untilClosed()).map(({ status }) => status), [404, 404]);
});

test('closes the connection of an invalid request even if endHeaders() throws', async (t) => {
  class Throws extends RequestHandler {
    override endHeaders(): never {
      throw new Error('A bug before the response');
    }
    override logError() {}
  }
  const { port } = await listen(t, {}, { baseHandler: Throws });
  const connection = await Connection.open(t, port);
  connection.send('GET / HTTP/1.1\r\nHost: a b\r\n\r\n');
  const [response] = parseResponses(await connection.untilClosed());
  assert.deepEqual([response!.status, response!.headers.get('connection')], [500, 'close']);
});

test('responds with CORS headers although the constructor of the base handler throws', async (t) => {
  class Broken extends RequestHandler {
    constructor(...parameters: ConstructorParameters<typeof RequestHandler>) {
      super(...parameters);
      throw new Error('A bug in the constructor');
    }
  }
  const { port } = await listen(t, {}, { baseHandler: Broken, allowedHosts: ['example.com'] });
  for (const [host, status] of [['example.com', 500], ['other.example.com', 421]] as const) {
    const bytes = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    expectResponses(await sendRaw(t, port, bytes), [status], '*');
  }
});

test('rejects a baseHandler that is not a handler class', () => {
  class Other {}
  const errors = startupErrors({}, { baseHandler: Other as unknown as typeof RequestHandler });
  assert.deepEqual(errors, ['baseHandler: must be a class that extends RequestHandler']);
});
