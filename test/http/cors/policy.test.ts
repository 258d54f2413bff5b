import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, RequestHandler } from '../../../src/http/index.ts';
import { sendRaw } from '../support/connection.ts';
import { any, anyHeaders, corsOf, page, preflight, send, some, someHeaders, Things } from '../support/cors.ts';
import { listen } from '../support/listen.ts';
import { expectResponses, type RawResponse } from '../support/response.ts';

test('sends without Origin: CORS headers under `*`, only Vary under a list', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: any });
  assert.deepEqual(corsOf(await send(port, 'GET', {})), anyHeaders);
  const { port: other } = await listen(t, { '/': Things }, { cors: some });
  assert.deepEqual(corsOf(await send(other, 'GET', {})), { vary: 'Origin' });
});

test('echoes an allowed origin with credentials and exposed headers, on errors too', async (t) => {
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

test('responds 403 to a denied origin, and does not run the handler', async (t) => {
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
  const allowedOrigin = async (origin: string, path: string) => {
    const { headers } = await send(port, 'GET', { origin }, path);
    return headers['access-control-allow-origin'];
  };
  assert.equal(await allowedOrigin('https://evil.example', '/open'), '*');
  assert.equal(await allowedOrigin(page, '/inner'), undefined);
  assert.equal(await allowedOrigin('https://inner.example.com', '/inner'), 'https://inner.example.com');
  assert.equal(await allowedOrigin('https://inner.example.com', '/'), undefined);
});

test('sends CORS headers of an asynchronous predicate with protocol errors', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: { origins: async () => true } });
  const response = await send(port, 'GET', { origin: page, host: 'a b' });
  assert.equal(response.statusCode, 400);
  assert.deepEqual(corsOf(response), { 'access-control-allow-origin': page, vary: 'Origin' });
});

const listed: CorsOptions = { origins: [page] };

let calls = 0;
class Counts extends RequestHandler {
  override doGet() {
    return ++calls;
  }
}

async function responseTo(
  t: Parameters<typeof sendRaw>[0],
  port: number,
  status: number,
  headers: string[],
  version = 'HTTP/1.1',
  target = '/',
): Promise<RawResponse> {
  calls = 0;
  const lines = [...headers, 'Connection: close'].map((line) => `${line}\r\n`).join('');
  const received = await sendRaw(t, port, `GET ${target} ${version}\r\n${lines}\r\n`);
  const [response] = expectResponses(received, [status], null);
  assert.equal(calls, status === 200 ? 1 : 0);
  return response!;
}

for (const site of ['cross-site', 'same-site', 'none', 'Same-Origin', 'same-origin, same-origin', 'anything']) {
  test(`denies an origin that equals Host if Sec-Fetch-Site is ${site}`, async (t) => {
    const { port } = await listen(t, { '/': Counts }, { cors: listed });
    await responseTo(t, port, 403, [
      'Host: api.example.com',
      'Origin: https://api.example.com',
      `Sec-Fetch-Site: ${site}`,
    ]);
  });
}

test('serves an origin that differs from Host if Sec-Fetch-Site is same-origin', async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors: listed });
  await responseTo(t, port, 200, [
    'Host: internal:8000',
    'Origin: https://api.example.com',
    'Sec-Fetch-Site: same-origin',
  ]);
});

test('treats an Origin that equals Host as same-origin without Sec-Fetch-Site', async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors: listed });
  await responseTo(t, port, 200, ['Host: api.example.com', 'Origin: https://api.example.com']);
  await responseTo(t, port, 403, ['Host: api.example.com', 'Origin: https://evil.example']);
  await responseTo(t, port, 403, ['Host: api.example.com', 'Origin: https://api.example.com:8443']);
});

test('uses the host of an absolute-form target instead of Host', async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors: listed });
  const target = 'http://api.example.com/';
  const ask = (status: number, headers: string[]) => responseTo(t, port, status, headers, 'HTTP/1.1', target);
  await ask(200, ['Host: other.example', 'Origin: https://api.example.com']);
  await ask(403, ['Host: other.example', 'Origin: https://other.example']);
});

test('denies an Origin without Host', async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors: listed });
  for (const origin of ['http://undefined', 'https://undefined', 'http://', 'null', 'http://null']) {
    await responseTo(t, port, 403, [`Origin: ${origin}`], 'HTTP/1.0');
  }
});
