import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { type CorsOptions, HttpError, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';
import { requestBytes, sendRaw } from './connection.ts';

const page = 'https://app.example.com';

class Things extends RequestHandler {
  override doGet(): unknown {
    if (this.query.has('fail')) throw new HttpError(409);
    return { things: [] };
  }
  override doPut() {}
}

/** Like fetch(), which would not let a test choose Host, Origin or Sec-Fetch-Site. */
async function send(port: number, method: string, headers: OutgoingHttpHeaders, path = '/'): Promise<IncomingMessage> {
  const request = httpRequest({ port, host: '127.0.0.1', method, path, headers, agent: false }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'close');
  return response;
}

/** The Access-Control headers of an answer, and its Vary, each once. */
function corsOf({ rawHeaders }: IncomingMessage): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    if (!name.startsWith('access-control-') && name !== 'vary') continue;
    assert.equal(found[name], undefined, `${name} is there twice`);
    found[name] = rawHeaders[at + 1]!;
  }
  return found;
}

const preflight = (method: string, headers?: string) => ({
  origin: page,
  'access-control-request-method': method,
  ...(headers !== undefined && { 'access-control-request-headers': headers }),
});

const any: CorsOptions = { origins: '*', exposedHeaders: ['Location'] };
const some: CorsOptions = {
  origins: [page],
  credentials: true,
  exposedHeaders: ['Location'],
  allowedHeaders: ['X-Token'],
  maxAge: 60,
};
const anyGrant = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'location' };
const someGrant = {
  'access-control-allow-origin': page,
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'location',
  vary: 'Origin',
};

test('no Origin: `*` grants without Vary; a list grants nothing, with Vary', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: any });
  assert.deepEqual(corsOf(await send(port, 'GET', {})), anyGrant);
  const { port: other } = await listen(t, { '/': Things }, { cors: some });
  assert.deepEqual(corsOf(await send(other, 'GET', {})), { vary: 'Origin' });
});

test('a granted origin is echoed byte for byte, with credentials and the expose list, on errors too', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: some });
  for (const [path, method, status] of [
    ['/', 'GET', 200],
    ['/?fail', 'GET', 409],
    ['/nope', 'GET', 404],
    ['/', 'POST', 405],
  ] as const) {
    const response = await send(port, method, { origin: page }, path);
    assert.equal(response.statusCode, status);
    assert.deepEqual(corsOf(response), someGrant);
  }
});

test('a refused origin gets 403 without any Access-Control header, and the handler does not run', async (t) => {
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

test('a page of the server itself is served without a grant', async (t) => {
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

test('a preflight gets the grant and the lists, but neither expose list, body nor Content-Length', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: any });
  const response = await send(port, 'OPTIONS', preflight('PUT', 'x-token'));
  assert.equal(response.statusCode, 204);
  assert.equal(response.headers['content-length'], undefined);
  assert.equal(response.headers['allow'], undefined);
  assert.deepEqual(corsOf(response), {
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'GET, HEAD, PUT, OPTIONS',
    'access-control-allow-headers': 'authorization,content-type,x-api-key',
    'access-control-max-age': '600',
  });
  const { port: other } = await listen(t, { '/': Things }, { cors: some });
  assert.deepEqual(corsOf(await send(other, 'OPTIONS', preflight('PUT', 'x-token'))), {
    'access-control-allow-origin': page,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, HEAD, PUT, OPTIONS',
    'access-control-allow-headers': 'x-token',
    'access-control-max-age': '60',
    vary: 'Origin',
  });
});

test('a preflight for a method or header that is not allowed gets the true, full lists', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: some });
  const granted = corsOf(await send(port, 'OPTIONS', preflight('PUT')));
  for (const headers of [
    preflight('DELETE'), preflight('put'), preflight('PUT', 'x-other'), preflight('GARBAGE!', ';;,,'),
  ]) {
    const response = await send(port, 'OPTIONS', headers);
    assert.equal(response.statusCode, 204);
    assert.deepEqual(corsOf(response), granted);
  }
});

test('a preflight on an unknown path allows the common methods, so that the page can read the 404', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: { ...some, methods: ['GET'] } });
  const response = await send(port, 'OPTIONS', preflight('PATCH'), '/nope');
  assert.equal(response.statusCode, 204);
  assert.equal(response.headers['access-control-allow-methods'], 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
});

test('an OPTIONS that is no preflight is answered with Allow', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: any });
  for (const headers of [
    {},
    { origin: page },
    { 'access-control-request-method': 'PUT' },
    { origin: page, 'access-control-request-method': '' },
  ]) {
    const response = await send(port, 'OPTIONS', headers);
    assert.equal(response.statusCode, 204);
    assert.equal(response.headers.allow, 'GET, HEAD, PUT, OPTIONS');
    assert.deepEqual(corsOf(response), anyGrant);
  }
});

test('methods narrows Access-Control-Allow-Methods, not Allow', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: { ...any, methods: ['GET', 'PATCH'] } });
  assert.equal((await send(port, 'OPTIONS', preflight('PUT'))).headers['access-control-allow-methods'], 'GET');
  assert.equal((await send(port, 'OPTIONS', {})).headers.allow, 'GET, HEAD, PUT, OPTIONS');
});

test("allowedHeaders '*' without credentials sends the star, and authorization by name", async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: { origins: [page], allowedHeaders: '*' } });
  const { headers } = await send(port, 'OPTIONS', preflight('PUT', 'x-a'));
  assert.equal(headers['access-control-allow-headers'], '*,authorization');
});

test("allowedHeaders '*' with credentials gives the requested names back, each a token, within a limit", async (t) => {
  const cors: CorsOptions = { origins: [page], credentials: true, allowedHeaders: '*' };
  const { port } = await listen(t, { '/': Things }, { cors });
  const allowed = async (asked?: string) => {
    const { headers } = await send(port, 'OPTIONS', preflight('PUT', asked));
    return headers['access-control-allow-headers'];
  };
  assert.equal(await allowed('authorization,x-a'), 'authorization,x-a');
  assert.equal(await allowed('X-A , x-b'), 'x-a,x-b');
  for (const refused of [undefined, '', 'x a', 'x-a,,x-b', 'x-a;x-b', 'x-é', `x-${'a'.repeat(2000)}`]) {
    assert.equal(await allowed(refused), undefined);
  }
});

test('the requested headers cost and change nothing, however many they are', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: some });
  const short = await send(port, 'OPTIONS', preflight('PUT', 'x-token'));
  for (const list of ['a,'.repeat(6000), ','.repeat(12_000), 'x'.repeat(12_000), `${' '.repeat(12_000)}a`]) {
    const response = await send(port, 'OPTIONS', preflight('PUT', list));
    assert.equal(response.statusCode, 204);
    assert.deepEqual(corsOf(response), corsOf(short));
  }
});

test('a class has its own policy in place of the server’s', async (t) => {
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

test('a predicate decides, now or later, and its fault is a refusal', async (t) => {
  const origins: Record<string, (origin: string) => boolean | Promise<boolean>> = {
    '/now': (origin) => origin === page,
    '/later': async (origin) => (await sleep(1), origin === page),
    // As older promise libraries have it.
    '/thenable': (origin) => ({ then: (settle: (is: boolean) => void) => settle(origin === page) }) as Promise<boolean>,
    '/throws': () => { throw new Error('the database is down'); },
    '/rejects': async () => { throw new Error('the database is down'); },
    '/truthy': () => 'yes' as unknown as boolean,
  };
  const routes = Object.fromEntries(
    Object.entries(origins).map(([path, decide]) => [
      path,
      class extends Things {
        static override readonly cors: CorsOptions = { origins: decide, credentials: true };
      },
    ]),
  );
  const { port } = await listen(t, routes);
  const grant = { 'access-control-allow-origin': page, 'access-control-allow-credentials': 'true', vary: 'Origin' };
  for (const path of ['/now', '/later', '/thenable']) {
    assert.deepEqual(corsOf(await send(port, 'GET', { origin: page }, path)), grant);
    assert.deepEqual(corsOf(await send(port, 'POST', { origin: page }, path)), grant);
    const { headers } = await send(port, 'OPTIONS', preflight('PUT'), path);
    assert.equal(headers['access-control-allow-methods'], 'GET, HEAD, PUT, OPTIONS');
    assert.equal((await send(port, 'GET', { origin: 'https://evil.example' }, path)).statusCode, 403);
  }
  for (const path of ['/throws', '/rejects', '/truthy']) {
    const response = await send(port, 'GET', { origin: page }, path);
    assert.equal(response.statusCode, 403);
    assert.deepEqual(corsOf(response), { vary: 'Origin' });
  }
});

test('a fault of the protocol carries the grant of an asynchronous predicate', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: { origins: async () => true } });
  const response = await send(port, 'GET', { origin: page, host: 'a b' });
  assert.equal(response.statusCode, 400);
  assert.deepEqual(corsOf(response), { 'access-control-allow-origin': page, vary: 'Origin' });
});

const granted: [pattern: `https://${string}` | `http://${string}`, origins: string[]][] = [
  ['https://*.example.com', [
    'https://a.example.com', 'https://a.b.example.com', 'https://x-1.example.com',
    'https://xn--bcher-kva.example.com', 'https://a_b.example.com',
  ]],
  ['https://*.example.com:8443', ['https://a.example.com:8443']],
  ['http://localhost:*', ['http://localhost', 'http://localhost:1', 'http://localhost:3000', 'http://localhost:65535']],
  ['http://[::1]:*', ['http://[::1]:5173']],
  ['https://app.example.com', ['https://app.example.com']],
];
const lookAlikes: Record<string, string[]> = {
  'https://*.example.com': [
    'https://example.com', 'http://a.example.com', 'https://aexample.com', 'https://evilexample.com',
    'https://.example.com', 'https://a..example.com', 'https://a.example.com.', 'https://a.example.com.evil.com',
    'https://a.example.com:443', 'https://a.example.com:8443', 'https://A.example.com', 'https://a.EXAMPLE.com',
    'https://a.example.com/', 'https://evil.com/.example.com', 'https://evil.com#.example.com',
    'https://evil.com?.example.com', 'https://evil.com\\.example.com', 'https://user@a.example.com',
    'https://evil.com:1@.example.com', 'https://a.example.com\t', 'https://a b.example.com', 'https://a,b.example.com',
    'https://*.example.com', 'https://a%00.example.com', 'https://bücher.example.com',
    `https://${'a.'.repeat(5000)}example.com`,
  ],
  'https://*.example.com:8443': ['https://a.example.com', 'https://a.example.com:84430', 'https://a.example.com:443'],
  'http://localhost:*': [
    'https://localhost:3000', 'http://localhost:', 'http://localhost:0', 'http://localhost:00080',
    'http://localhost:080', 'http://localhost:65536', 'http://localhost:99999', 'http://localhost:3000/',
    'http://localhost.evil.com', 'http://localhost.evil.com:3000', 'http://localhost:3000.evil.com',
    'http://localhost:3000@evil.com', 'http://localhost@evil.com', 'http://localhost:+80', 'http://localhost:8e1',
    'http://LOCALHOST:3000', 'http://localhost:*', 'http://127.0.0.1:3000', 'http://notlocalhost:3000',
  ],
  'http://[::1]:*': ['http://[::1]:0', 'http://[::2]:5173', 'http://[0:0::1]:5173'],
  'https://app.example.com': [
    'null', '', 'https://app.example.com, https://app.example.com', 'https://app.example.com https://evil.com',
    'https://app.example.com.evil.com', 'https://evil.com', 'https://appXexample.com', 'https://APP.example.com',
    'https://app.example.com:443', 'https://app.example.com/', 'https://app.example.com.', 'http://app.example.com',
    'https://user:pass@app.example.com', 'app.example.com', '//app.example.com', 'https://app.example.co', '*',
    'https://app.example.com\u00e9', '\u00ff\u00fe', `https://app.example.com${'x'.repeat(10_000)}`,
    'https://app\t.example.com', '__proto__', 'constructor',
  ],
};

for (const [pattern, origins] of granted) {
  test(`${pattern} lets in what it says, and no look-alike`, async (t) => {
    const { port } = await listen(t, { '/': Things }, { cors: { origins: [pattern] } });
    for (const origin of origins) {
      assert.equal((await send(port, 'GET', { origin })).headers['access-control-allow-origin'], origin);
    }
    for (const origin of lookAlikes[pattern]!) {
      const answer = await sendRaw(t, port, requestBytes('GET /', [`Origin: ${origin}`, 'Connection: close']));
      // Spaces and tabs around a value are not part of it (RFC 9112, section 5.1).
      const status = origins.includes(origin.trim()) ? 200 : 403;
      const expected = origin.endsWith('\t') && pattern.includes('*') ? '(?:200|403)' : status;
      assert.match(answer, new RegExp(`^HTTP/1.1 ${expected} `), origin.slice(0, 100));
      if (status === 403) assert.doesNotMatch(answer, /access-control/i);
    }
  });
}

test('two Origin lines are no origin, even where each would be granted', async (t) => {
  const policies: CorsOptions[] = [
    { origins: [page] },
    { origins: () => true, credentials: true },
    { origins: ['https://*.example.com'] },
  ];
  for (const cors of policies) {
    const { port } = await listen(t, { '/': Things }, { cors });
    const headers = [`Origin: ${page}`, `Origin: ${page}`, 'Connection: close'];
    const answer = await sendRaw(t, port, requestBytes('GET /', headers));
    assert.match(answer, /^HTTP\/1.1 403 /);
  }
});

test('a predicate is asked about one well-formed origin or not at all', async (t) => {
  const asked: string[] = [];
  const origins = (origin: string) => (asked.push(origin), true);
  const { port } = await listen(t, { '/': Things }, { cors: { origins, credentials: true } });
  for (const origin of lookAlikes['https://app.example.com']!) {
    await sendRaw(t, port, requestBytes('GET /', [`Origin: ${origin}`, 'Connection: close']));
  }
  assert.deepEqual(asked, [
    'https://app.example.com.evil.com', 'https://evil.com', 'https://appXexample.com', 'https://APP.example.com',
    'https://app.example.com:443', 'https://app.example.com.', 'http://app.example.com', 'https://app.example.co',
  ]);
  const extension = 'chrome-extension://abcdefgh';
  const { headers } = await send(port, 'GET', { origin: extension });
  assert.equal(headers['access-control-allow-origin'], extension);
});
