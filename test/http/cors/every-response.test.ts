import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type CorsOptions, HttpError, RequestHandler, type ServerOptions } from '../../../src/http/index.ts';
import { requestBytes, sendRaw, sendUntilProblem } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectClosingError, expectResponses } from '../support/response.ts';

const origin = 'https://app.example.com';

/** Every way in which a handler can respond, selected by path. */
class EveryWay extends RequestHandler {
  override doGet(): unknown {
    switch (this.param('how')) {
      case 'value': return { returned: true };
      case 'nothing': return undefined;
      case 'promise': return Promise.resolve('later');
      case 'http-error': throw new HttpError(418, 'short and stout', { 'X-Pot': 'tea' });
      case 'throw': throw new Error('secret detail');
      case 'rejection': return Promise.reject(new Error('secret detail'));
      case 'not-an-error': throw 'secret detail';
      case 'cycle': return this;
      case 'dropped-headers': {
        this.sendResponse(201);
        this.sendHeader('X-Half-Done', 'yes');
        this.sendHeader('Content-Type', 'text/plain');
        this.sendCorsHeaders();
        throw new HttpError(409);
      }
      case 'stream': return this.stream();
      case 'twice': {
        this.sendCorsHeaders();
        this.sendCorsHeaders();
        return 'once';
      }
      default: return this.sendJson('sent');
    }
  }
  async stream() {
    const body = this.endHeaders();
    body.end('streamed');
    await once(body, 'finish');
  }
  override logError() {}
}

const cases: [path: string, status: number, method?: string][] = [
  ['/value', 200], ['/nothing', 204], ['/promise', 200], ['/sent', 200], ['/stream', 200], ['/twice', 200],
  ['/http-error', 418], ['/throw', 500], ['/rejection', 500], ['/not-an-error', 500], ['/cycle', 500],
  ['/dropped-headers', 409],
  ['/value', 405, 'DELETE'], ['/no/such/path', 404], ['/value', 200, 'HEAD'], ['/value', 204, 'OPTIONS'],
];

for (const [path, status, method = 'GET'] of cases) {
  test(`responds ${status} with one set of CORS headers to ${method} ${path}`, async (t) => {
    const { url } = await listen(t, { '/:how': EveryWay }, {
      cors: { origins: [origin], credentials: true, exposedHeaders: ['x-pot'] },
    });
    const response = await fetch(url + path, { method, headers: { origin } });
    const text = await response.text();
    assert.equal(response.status, status);
    assert.equal(response.headers.get('access-control-allow-origin'), origin);
    assert.equal(response.headers.get('access-control-allow-credentials'), 'true');
    assert.equal(response.headers.get('access-control-expose-headers'), 'x-pot');
    assert.equal(response.headers.get('vary'), 'Origin');
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.equal(response.headers.get('x-half-done'), null);
    assert.doesNotMatch(text, /secret/);
    if (status >= 400) assert.equal(response.headers.get('content-type'), 'application/problem+json');
  });
}

const allowed: ServerOptions = { allowedHosts: ['api.example.com', '127.0.0.1'] };

const malformed = {
  'a NUL in a header': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx: a\0b\r\n\r\n',
  'a TLS handshake': Buffer.from('160301020001000001fc0303' + 'ab'.repeat(500), 'hex'),
};
test("sends Vary: Origin, but no CORS headers, if Node's parser rejects the request", async (t) => {
  const { port } = await listen(t, routes, { cors: { origins: ['https://app.example.com'], credentials: true } });
  for (const bytes of Object.values(malformed)) {
    expectClosingError(await sendRaw(t, port, bytes), 400, null);
  }
  expectClosingError(await sendRaw(t, port, requestBytes('GET /', [`x: ${'a'.repeat(17_000)}`])), 431, null);
  expectClosingError(await sendRaw(t, port, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'), 405, null);
});

test('sends CORS headers with protocol errors to allowed origins only', async (t) => {
  const origin = 'https://app.example.com';
  const { port } = await listen(t, routes, { ...allowed, cors: { origins: [origin], credentials: true } });
  const bad: [request: string, headers: string[], status: number, rest?: string][] = [
    ['GET *', [], 400],
    ['GET http://evil.example/', [], 421],
    ['POST /', ['Transfer-Encoding: gzip'], 501],
    ['POST /', ['Content-Length: 2', 'Expect: tea'], 417, '[]'],
    ['POST /', ['Transfer-Encoding: chunked', 'Content-Type: application/json'], 400, 'zz\r\n'],
    ['GET /', Array.from({ length: 101 }, () => 'x:'), 431],
  ];
  const allowedOrigin = `Origin: ${origin}`;
  for (const [requestLine, headers, status, rest] of bad) {
    const received = await sendUntilProblem(t, port, requestBytes(requestLine, [...headers, allowedOrigin], rest));
    expectClosingError(received, status, origin);
    assert.match(received, /Access-Control-Allow-Credentials: true/);
    const evil = requestBytes(requestLine, [...headers, 'Origin: https://evil.example'], rest);
    const denied = await sendUntilProblem(t, port, evil);
    expectClosingError(denied, [status, 403], null);
    assert.doesNotMatch(denied, /Access-Control-/i);
  }
});

const page = 'https://app.example.com';
const PREFLIGHT = ['Access-Control-Request-Method: GET'];

let isThrowing = false;
let constructed = 0;

function fail(): undefined {
  constructed++;
  if (isThrowing) throw new Error('secret');
}

class Constructor extends RequestHandler {
  constructor(...parameters: ConstructorParameters<typeof RequestHandler>) {
    super(...parameters);
    fail();
  }
  override doGet() {
    return 'never seen';
  }
}

class Field extends RequestHandler {
  readonly field = fail();
  override doGet() {
    return this.field ?? 'never seen';
  }
}

class Unauthorized extends RequestHandler {
  constructor(...parameters: ConstructorParameters<typeof RequestHandler>) {
    super(...parameters);
    constructed++;
    if (isThrowing) throw new HttpError(401, 'Who are you?');
  }
  override doGet() {
    return 'never seen';
  }
}

const policies: [what: string, cors: CorsOptions][] = [
  ['a list of origins', { origins: [page], credentials: true }],
  ['a predicate', { origins: (origin) => origin === page, credentials: true }],
  ['an asynchronous predicate', { origins: async (origin) => origin === page, credentials: true }],
];
for (const [what, cors] of policies) {
  for (const [HandlerClass, status] of [
    [Constructor, 500],
    [Field, 500],
    [Unauthorized, 401],
  ] as const) {
    test(`sends CORS headers if ${HandlerClass.name} throws, with ${what}`, async (t) => {
      isThrowing = false;
      const { port } = await listen(t, { '/': HandlerClass }, { cors });
      isThrowing = true;

      constructed = 0;
      const ask = (line: string, origin: string, headers: string[] = []) =>
        sendRaw(t, port, requestBytes(line, [`Origin: ${origin}`, 'Connection: close', ...headers]));
      for (const line of ['OPTIONS /', 'GET /']) {
        expectResponses(await ask(line, 'https://evil.example', line === 'GET /' ? [] : PREFLIGHT), [403], null);
      }
      assert.equal(constructed, 0, 'It was constructed for a denied origin');

      const received = await ask('GET /', page);
      expectResponses(received, [status], page);
      assert.match(received, /\r\nAccess-Control-Allow-Credentials: true\r\n/);
      assert.doesNotMatch(received, /secret/);

      const preflight = await ask('OPTIONS /', page, PREFLIGHT);
      assert.match(preflight, new RegExp(`\r\nAccess-Control-Allow-Origin: ${page}\r\n`));
      assert.match(preflight, /\r\nVary: Origin\r\n/);
      assert.ok(constructed > 0);
    });
  }
}

test('sends CORS headers although the handler has deleted those of the request', async (t) => {
  class Forwards extends RequestHandler {
    override doGet() {
      for (const name of Object.keys(this.request.headers)) delete this.request.headers[name];
      return 'forwarded';
    }
  }
  const { port } = await listen(t, { '/': Forwards }, { cors: { origins: [origin] } });
  const received = await sendRaw(t, port, requestBytes('GET /', [`Origin: ${origin}`, 'Connection: close']));
  expectResponses(received, [200], origin);
});
