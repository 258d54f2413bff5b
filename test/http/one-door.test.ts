import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';

const origin = 'https://app.example.com';

/** Everything that a handler can do to answer, by the path that does it. */
class Answers extends RequestHandler {
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
  test(`${method} ${path} answers ${status} with exactly one set of CORS headers`, async (t) => {
    const { url } = await listen(t, { '/:how': Answers }, {
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

test('an Access-Control header sent by hand is an error that says where it belongs', async (t) => {
  let logged: unknown;
  class ByHand extends RequestHandler {
    override doGet() {
      this.sendHeader('access-control-allow-origin', 'https://mine.example');
    }
    override logError(error: unknown) {
      logged = error;
    }
  }
  const { url } = await listen(t, { '/': ByHand });
  const response = await fetch(url);
  assert.equal(response.status, 500);
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.match(String(logged), /static cors.*ByHand.*sendCorsHeaders\(\)/);
});

test(
  'a handler that overrides sendCorsHeaders decides for itself, errors included, and never doubles a header',
  async (t) => {
    class Own extends RequestHandler {
      override doGet() {
        this.sendCorsHeaders();
        if (this.query.has('throw')) throw new HttpError(400);
        return 1;
      }
      override sendCorsHeaders() {
        super.sendCorsHeaders();
        this.sendHeader('Access-Control-Allow-Origin', 'https://own.example');
        this.sendHeader('Vary', 'Origin');
      }
    }
    const { url } = await listen(t, { '/': Own });
    for (const query of ['', '?throw']) {
      const response = await fetch(url + query);
      assert.equal(response.headers.get('access-control-allow-origin'), 'https://own.example');
      assert.equal(response.headers.get('vary'), 'Origin');
    }
  },
);

test('a handler that overrides sendCorsHeaders and leaves the rest to the policy gets each header once', async (t) => {
  class Before extends RequestHandler {
    override doGet() {
      return 1;
    }
    override sendCorsHeaders() {
      this.sendHeader('Access-Control-Allow-Origin', 'https://own.example');
      this.sendHeader('Access-Control-Allow-Origin', 'https://other.example');
      if (!this.query.has('own')) super.sendCorsHeaders();
    }
  }
  const { url } = await listen(t, { '/': Before }, { cors: { origins: [origin] } });
  const granted = async (query: string) => {
    const { headers } = await fetch(url + query, { headers: { origin } });
    return headers.get('access-control-allow-origin');
  };
  assert.equal(await granted(''), origin);
  assert.equal(await granted('?own'), 'https://other.example');
});

test('the Vary of a handler is merged with that of the policy, and a star stays', async (t) => {
  class Varying extends RequestHandler {
    override doGet() {
      for (const value of this.query.getAll('vary')) this.sendHeader('Vary', value);
      return 1;
    }
  }
  const { url } = await listen(t, { '/': Varying }, { cors: { origins: [origin] } });
  const vary = async (query: string) => (await fetch(`${url}?${query}`)).headers.get('vary');
  assert.equal(await vary(''), 'Origin');
  assert.equal(await vary('vary=Accept'), 'Accept, Origin');
  assert.equal(await vary('vary=Accept&vary=Accept-Language'), 'Accept, Accept-Language, Origin');
  assert.equal(await vary('vary=accept,+origin'), 'accept, origin');
  assert.equal(await vary('vary=Accept&vary=Accept-Language,+accept'), 'Accept, Accept-Language, Origin');
  assert.equal(await vary('vary=*'), '*');
});
