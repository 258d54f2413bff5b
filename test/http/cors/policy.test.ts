import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, RequestHandler } from '../../../src/http/index.ts';
import { any, anyHeaders, corsOf, page, preflight, send, some, someHeaders, Things } from '../support/cors.ts';
import { listen } from '../support/listen.ts';

test('without Origin: `*` sends CORS headers without Vary; a list sends only Vary', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: any });
  assert.deepEqual(corsOf(await send(port, 'GET', {})), anyHeaders);
  const { port: other } = await listen(t, { '/': Things }, { cors: some });
  assert.deepEqual(corsOf(await send(other, 'GET', {})), { vary: 'Origin' });
});

test('echoes an allowed origin with credentials and exposed headers, including on errors', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: some });
  for (const [path, method, status] of [
    ['/', 'GET', 200],
    ['/?fail', 'GET', 409],
    ['/nope', 'GET', 404],
    ['/', 'POST', 405],
  ] as const) {
    const response = await send(port, method, { origin: page }, path);
    assert.equal(response.statusCode, status);
    assert.deepEqual(corsOf(response), someHeaders);
  }
});

test('responds 403 without CORS headers to a denied origin, and does not run the handler', async (t) => {
  let hasRun = false;
  class Guarded extends RequestHandler {
    override prepare() {
      hasRun = true;
    }
    override doGet() {
      hasRun = true;
    }
    override doOptions() {
      hasRun = true;
    }
  }
  const { port } = await listen(t, { '/': Guarded }, { cors: some });
  for (const [method, path] of [['GET', '/'], ['OPTIONS', '/'], ['POST', '/'], ['GET', '/nope']] as const) {
    const response = await send(port, method, { ...preflight('GET'), origin: 'https://evil.example' }, path);
    assert.equal(response.statusCode, 403);
    assert.equal(response.headers['content-type'], 'application/problem+json');
    assert.deepEqual(corsOf(response), { vary: 'Origin' });
  }
  assert.equal(hasRun, false);
});

test('serves same-origin requests without CORS headers', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: some });
  for (const headers of [
    { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
    { origin: 'http://api.example.com:8000', host: 'api.example.com:8000' },
    { origin: 'https://api.example.com', host: 'api.example.com' },
  ]) {
    const response = await send(port, 'PUT', headers);
    assert.equal(response.statusCode, 204);
    assert.deepEqual(corsOf(response), { vary: 'Origin' });
  }
  const sameSite = { origin: 'https://evil.example', 'sec-fetch-site': 'same-site' };
  assert.equal((await send(port, 'PUT', sameSite)).statusCode, 403);
});

test("uses a class's own policy instead of the server's", async (t) => {
  class Open extends Things {
    static override readonly cors: CorsOptions = { origins: '*' };
  }
  class Inner extends Things {
    static override readonly cors: CorsOptions = { origins: ['https://inner.example.com'] };
  }
  const { port } = await listen(t, { '/': Things, '/open': Open, '/inner': Inner }, { cors: { origins: [page] } });
  const grants = async (origin: string, path: string) => {
    const { headers } = await send(port, 'GET', { origin }, path);
    return headers['access-control-allow-origin'];
  };
  assert.equal(await grants('https://evil.example', '/open'), '*');
  assert.equal(await grants(page, '/inner'), undefined);
  assert.equal(await grants('https://inner.example.com', '/inner'), 'https://inner.example.com');
  assert.equal(await grants('https://inner.example.com', '/'), undefined);
});

test('sends CORS headers of an asynchronous predicate with protocol errors', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: { origins: async () => true } });
  const response = await send(port, 'GET', { origin: page, host: 'a b' });
  assert.equal(response.statusCode, 400);
  assert.deepEqual(corsOf(response), { 'access-control-allow-origin': page, vary: 'Origin' });
});
