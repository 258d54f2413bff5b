import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CorsOptions } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { corsOf, page, preflight, send, Things } from '../support/cors.ts';
import { listen } from '../support/listen.ts';

test('accepts any kind of predicate, and denies the origin if it fails', async (t) => {
  const origins: Record<string, (origin: string) => boolean | Promise<boolean>> = {
    '/now': (origin) => origin === page,
    '/later': async (origin) => (await sleep(1), origin === page),
    // A thenable, as returned by older promise libraries.
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
  const allowed = { 'access-control-allow-origin': page, 'access-control-allow-credentials': 'true', vary: 'Origin' };
  for (const path of ['/now', '/later', '/thenable']) {
    assert.deepEqual(corsOf(await send(port, 'GET', { origin: page }, path)), allowed);
    assert.deepEqual(corsOf(await send(port, 'POST', { origin: page }, path)), allowed);
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

const allowedOrigins: [pattern: `https://${string}` | `http://${string}`, origins: string[]][] = [
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

for (const [pattern, origins] of allowedOrigins) {
  test(`allows the origins of ${pattern} and no look-alike`, async (t) => {
    const { port } = await listen(t, { '/': Things }, { cors: { origins: [pattern] } });
    for (const origin of origins) {
      assert.equal((await send(port, 'GET', { origin })).headers['access-control-allow-origin'], origin);
    }
    for (const origin of lookAlikes[pattern]!) {
      const response = await sendRaw(t, port, requestBytes('GET /', [`Origin: ${origin}`, 'Connection: close']));
      // Spaces and tabs around a value are not part of it (RFC 9112, section 5.1).
      const status = origins.includes(origin.trim()) ? 200 : 403;
      const expected = origin.endsWith('\t') && pattern.includes('*') ? '(?:200|403)' : status;
      assert.match(response, new RegExp(`^HTTP/1.1 ${expected} `), origin.slice(0, 100));
      if (status === 403) assert.doesNotMatch(response, /access-control/i);
    }
  });
}

test('denies duplicate Origin headers, even if each value is allowed', async (t) => {
  const policies: CorsOptions[] = [
    { origins: [page] },
    { origins: () => true, credentials: true },
    { origins: ['https://*.example.com'] },
  ];
  for (const cors of policies) {
    const { port } = await listen(t, { '/': Things }, { cors });
    const headers = [`Origin: ${page}`, `Origin: ${page}`, 'Connection: close'];
    const response = await sendRaw(t, port, requestBytes('GET /', headers));
    assert.match(response, /^HTTP\/1.1 403 /);
  }
});

test('calls a predicate only with a well-formed origin', async (t) => {
  const asked: string[] = [];
  const origins = (origin: string) => (asked.push(origin), true);
  const { port } = await listen(t, { '/': Things }, { cors: { origins, credentials: true } });
  for (const origin of lookAlikes['https://app.example.com']!) {
    await sendRaw(t, port, requestBytes('GET /', [`Origin: ${origin}`, 'Connection: close']));
  }
  assert.deepEqual(asked, [
    'https://app.example.com.evil.com', 'https://evil.com', 'https://appXexample.com', 'https://APP.example.com',
    'https://app.example.com:443', 'https://app.example.com.',
    'http://app.example.com', 'https://app.example.co',
  ]);
  const extension = 'chrome-extension://abcdefgh';
  const { headers } = await send(port, 'GET', { origin: extension });
  assert.equal(headers['access-control-allow-origin'], extension);
});
