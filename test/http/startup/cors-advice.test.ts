import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import {
  type CorsOptions, type Origin, type OriginPredicate, RequestHandler, corsErrors, createServer,
} from '../../../src/http/index.ts';

class Good extends RequestHandler {
  override doGet() {
    return 1;
  }
}

/** Starts a server with this policy and returns which of the origins it allows. */
async function allowedBy(t: TestContext, cors: CorsOptions, origins: readonly string[]): Promise<string[]> {
  const server = createServer({ '/': Good }, { cors }).listen(0, '127.0.0.1');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const allowed: string[] = [];
  for (const origin of origins) {
    const headers = { origin, 'sec-fetch-site': 'cross-site' };
    const response = await fetch(`http://127.0.0.1:${port}`, { headers, signal: t.signal });
    await response.text();
    if (response.headers.get('access-control-allow-origin') === origin) allowed.push(origin);
  }
  return allowed;
}

/** Follows the advice in an error message, which says what to write, or which function to use. */
function follow(message: string): Origin[] | OriginPredicate {
  const predicate = /with origins: (\(origin\) => .*)$/.exec(message)?.[1];
  if (predicate) return new Function(`return ${predicate}`)() as OriginPredicate;
  const written = /write (\S+|'.+')$/.exec(message)?.[1]?.replace(/[' ]/g, '');
  assert.ok(written, `no advice in: ${message}`);
  return written.split(',') as Origin[];
}

const entries: [written: string, meant: string[], notMeant?: string[]][] = [
  ['"https://a.example.com"', ['https://a.example.com']],
  ['“https://a.example.com”', ['https://a.example.com']],
  ["'a.example.com'", ['https://a.example.com']],
  ['["https://a.example.com"]', ['https://a.example.com']],
  ['[https://a.example.com]', ['https://a.example.com']],
  ['https://a.example.com;https://b.example.com', ['https://a.example.com', 'https://b.example.com']],
  ['a.example.com; b.example.com', ['https://a.example.com', 'https://b.example.com']],
  ['https://a.example.com, https://b.example.com/', ['https://a.example.com', 'https://b.example.com']],
  ['.example.com', ['https://a.example.com'], ['https://example.com']],
  ['*.example.com', ['https://a.b.example.com']],
  ['https://.example.com', ['https://a.example.com']],
  ['https://*example.com', ['https://example.com', 'https://a.example.com'], ['https://evilexample.com']],
  ['https://*.*.example.com', ['https://a.b.example.com']],
  ['https://app-*.vercel.app', ['https://app-git-main.vercel.app'], ['https://other.vercel.app']],
  ['https://*-team.vercel.app', ['https://app-team.vercel.app'], ['https://app-teams.vercel.app']],
  ['app-*.vercel.app', ['https://app-1.vercel.app']],
  ['https://app.*.example.com', ['https://app.eu.example.com'], ['https://app.a.b.example.com']],
  ['https://*.example.com:*', ['https://a.example.com:8443', 'https://a.example.com']],
  ['192.168.*', ['http://192.168.0.7', 'http://192.168.0.7:5173'], ['http://192.168.evil.example']],
  ['http://192.168.1.*:3000', ['http://192.168.1.7:3000'], ['http://192.168.1.7:3001', 'http://192.168.2.7:3000']],
  ['https://*', ['https://a.example.com'], ['http://a.example.com']],
  ['http://localhost*', ['http://localhost', 'http://localhost:5173']],
  ['127.0.0.1*', ['http://127.0.0.1', 'http://127.0.0.1:5173'], ['http://127.0.0.1.evil.example']],
  ['*:3000', ['https://a.example.com:3000'], ['https://a.example.com']],
  ['localhost:*', ['http://localhost:5173']],
  ['localhost', ['http://localhost']],
  ['127.0.0.1:3000', ['http://127.0.0.1:3000']],
  ['[::1]:3000', ['http://[::1]:3000']],
  ['http:app.example.com', ['http://app.example.com']],
  ['//app.example.com', ['https://app.example.com']],
  ['app.example.com/path', ['https://app.example.com']],
  ['https://app.example.com/*', ['https://app.example.com']],
  ['https://user@app.example.com', ['https://app.example.com']],
  ['http://example.com:8080:*', ['http://example.com:8080', 'http://example.com:1']],
  ['HTTPS://App.Example.com:443', ['https://app.example.com']],
  ['bücher.example', ['https://xn--bcher-kva.example']],
  ['*://app.example.com', ['https://app.example.com']],
  ['htps://app.example.com', ['https://app.example.com']],
  ['wss://app.example.com', ['https://app.example.com']],
  ['ws://localhost:3000', ['http://localhost:3000']],
  ['file://', ['file://']],
  ['Capacitor://localhost/', ['capacitor://localhost']],
  ['chrome-extension://abcdefghijklmnop/popup.html', ['chrome-extension://abcdefghijklmnop']],
  ['moz-extension://*', ['moz-extension://0f5f9b1c-6d1a-4c5e-8a55-6b8f3f0f0a11'], ['chrome-extension://abcd']],
];
for (const [written, meant, notMeant = ['http://stranger.example']] of entries) {
  test(`suggests valid origins for ${written}`, async (t) => {
    const [error, ...rest] = corsErrors({ origins: [written as Origin] });
    assert.deepEqual(rest, []);
    const origins = follow(error!.message);
    assert.deepEqual(corsErrors({ origins }), []);
    assert.deepEqual(await allowedBy(t, { origins }, [...meant, ...notMeant]), meant);
  });
}

test('gives advice with credentials that is valid with credentials', () => {
  for (const [written] of entries.filter(([entry]) => !entry.startsWith('http://192'))) {
    const cors = { credentials: true } as const;
    const [error] = corsErrors({ ...cors, origins: [written as Origin] });
    assert.deepEqual(corsErrors({ ...cors, origins: follow(error!.message) }), [], written);
  }
});

test('gives only valid advice for random punctuation', () => {
  const pieces = [
    'https://', 'http:', '://', 'app', '.', '..', '*', ':', ':8080', '/', '"', "'", ' ', ';', ',', '[', ']', '@',
    'example', '.com', '-', '192.168', 'localhost', '%', '$', '\\', 'É', 'capacitor', 'null', '[::1]', '?', '#', '|',
    '^',
  ];
  let seed = 1;
  const random = (limit: number) => (seed = (seed * 48_271) % 2_147_483_647) % limit;
  for (let round = 0; round < 5_000; round++) {
    const written = Array.from({ length: 1 + random(6) }, () => pieces[random(pieces.length)]).join('');
    for (const credentials of [false, true]) {
      for (const { message } of corsErrors({ origins: [written as Origin], credentials })) {
        if (!/write (?:\S+|'.+')$/.test(message)) continue;
        const origins = follow(message) as Origin[];
        assert.deepEqual(corsErrors({ origins, credentials }), [], `${JSON.stringify(written)}: ${message}`);
      }
    }
  }
});

test('does not take a word, a dash or a regular expression for a host name', () => {
  for (const written of ['true', '-', 'https:\\/\\/app\\.example\\.com', 'https://(a|b).example.com']) {
    const [error] = corsErrors({ origins: [written as Origin] });
    assert.match(error!.message, /list each origin, such as https:\/\/app\.example\.com$/);
  }
});

test('tells why a star inside a label is not possible', () => {
  const [error] = corsErrors({ origins: ['https://app-*.vercel.app'] });
  assert.match(error!.message, /because elsewhere it may let strangers in/);
});

const apps: Origin[] = [
  'capacitor://localhost', 'tauri://localhost', 'ionic://localhost', 'app://obsidian.md', 'vscode-webview://1a2b3c',
  'chrome-extension://abcdefghijklmnopabcdefghijklmnop', 'moz-extension://0f5f9b1c-6d1a-4c5e-8a55-6b8f3f0f0a11',
  'safari-web-extension://0F5F9B1C-6D1A-4C5E-8A55-6B8F3F0F0A11',
];
test('allows listed origins of apps exactly as sent', async (t) => {
  const cors: CorsOptions = { origins: apps, credentials: true };
  assert.deepEqual(corsErrors(cors), []);
  const others = ['capacitor://localhost:1', 'safari-web-extension://0f5f9b1c-6d1a-4c5e-8a55-6b8f3f0f0a11', 'app://'];
  assert.deepEqual(await allowedBy(t, cors, [...apps, ...others]), apps);
});

test('asks a predicate about every origin of any scheme', async (t) => {
  const asked: string[] = [];
  const origins = [...apps, 'file://', 'HTTPS://App.Example.com', 'https://a.example:8443', 'http://[::1]:3000'];
  const cors: CorsOptions = { origins: (origin) => asked.push(origin) > 0 };
  assert.deepEqual(await allowedBy(t, cors, origins), origins);
  assert.deepEqual(asked, origins);
});

test('denies an Origin that is not one origin without asking the predicate', async (t) => {
  const origins = [
    '', 'null', 'https://a.example, https://b.example', 'https://a.example https://b.example', 'https://a.example/',
    'https://user@a.example', 'a.example', '*',
  ];
  const cors: CorsOptions = { origins: (origin) => assert.fail(`asked about ${origin}`) };
  assert.deepEqual(await allowedBy(t, cors, origins), []);
});
