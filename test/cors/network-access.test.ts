import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { type TestContext, suite, test } from 'node:test';
import { type PageRequest, fetchAsPage } from '../../scripts/cors/browser-model.ts';
import { BROWSERS, type Browser, type LaunchOptions, launchBrowser, skipWithout } from '../../scripts/cors/launch-browser.ts';
import { accessTo, spaceOf } from '../../scripts/cors/network-access.ts';

/** In a word: `open`, the permission that is asked for, or why nothing is sent. */
function inAWord(url: string, origin: string, target?: string, page?: string): string {
  const access = accessTo(new URL(url), origin, { target, page });
  return access.kind === 'asks' ? access.permission : access.kind === 'refused' ? access.reason : access.kind;
}

test('a host is as private as its name or its address says', () => {
  for (const [hostname, address, space] of [
    ['localhost', undefined, 'loopback'], ['api.localhost', undefined, 'loopback'], ['127.1.2.3', undefined, 'loopback'],
    ['[::1]', undefined, 'loopback'], ['0.0.0.0', undefined, 'loopback'], ['[::ffff:7f00:1]', undefined, 'loopback'],
    ['10.0.0.1', undefined, 'local'], ['172.16.0.1', undefined, 'local'], ['172.32.0.1', undefined, 'public'],
    ['192.168.1.1', undefined, 'local'], ['169.254.1.1', undefined, 'local'], ['100.64.0.1', undefined, 'local'],
    ['100.128.0.1', undefined, 'public'], ['[fd00::1]', undefined, 'local'], ['[fe80::1]', undefined, 'local'],
    ['[2001:db8::1]', undefined, 'public'], ['printer.local', undefined, 'local'], ['8.8.8.8', undefined, 'public'],
    ['api.example.net', undefined, 'public'], ['api.example.net', '203.0.113.1', 'public'],
    ['api.example.net', '127.0.0.1', 'loopback'], ['api.example.net', '::ffff:127.0.0.1', 'loopback'],
    ['api.example.net', '::1', 'loopback'], ['api.example.net', '192.168.0.1', 'local'],
    ['api.example.net', 'fd00::1', 'local'], ['localhost.example.net', undefined, 'public'],
  ] as const) assert.equal(spaceOf(hostname, address), space, `${hostname} at ${address}`);
});

test('who may call which address is as Chromium and Firefox were seen to do it', () => {
  const pages = ['https://app.example.com', 'http://app.example.com', 'http://192.168.0.2', 'https://localhost:5173', 'http://localhost:5173'];
  const mixed = 'mixed-content';
  const local = 'local-network';
  const loopback = 'loopback-network';
  for (const [url, address, ...expected] of [
    ['http://localhost:8000', undefined, loopback, local, 'open', 'open', 'open'],
    ['http://127.0.0.1:8000', undefined, loopback, local, 'open', 'open', 'open'],
    ['https://localhost:8443', undefined, loopback, local, 'open', 'open', 'open'],
    ['http://api.example.net', '127.0.0.1', mixed, local, 'open', mixed, 'open'],
    ['https://api.example.net', '127.0.0.1', loopback, local, 'open', 'open', 'open'],
    ['http://192.168.0.1', undefined, mixed, local, 'open', mixed, 'open'],
    ['http://printer.local', undefined, mixed, local, 'open', mixed, 'open'],
    ['http://api.example.net', '192.168.0.1', mixed, local, 'open', mixed, 'open'],
    ['https://api.example.net', '192.168.0.1', local, local, 'open', 'open', 'open'],
    ['http://api.example.net', '203.0.113.1', mixed, 'open', 'open', mixed, 'open'],
    ['https://api.example.net', '203.0.113.1', 'open', 'open', 'open', 'open', 'open'],
    ['http://0.0.0.0:8000', undefined, 'unusable-address', 'unusable-address', 'unusable-address', 'unusable-address', 'unusable-address'],
    ['http://localhost:6000', undefined, 'bad-port', 'bad-port', 'bad-port', 'bad-port', 'bad-port'],
  ] as const) assert.deepEqual(pages.map((page) => inAWord(url, page, address)), expected, `${url} at ${address}`);
});

test('a page whose own host is on this computer or network is not asked about', () => {
  assert.equal(inAWord('https://api.example.net', 'https://app.example.com', '127.0.0.1', '127.0.0.1'), 'open');
  assert.equal(inAWord('https://app.example.com:8443', 'https://app.example.com', '127.0.0.1'), 'open');
  assert.equal(inAWord('http://app.example.com:8000', 'https://app.example.com'), 'mixed-content');
  assert.equal(inAWord('http://localhost:8000', 'null'), 'open');
});

const grant = { status: 200, headers: [['Access-Control-Allow-Origin', '*']] as const };

test('the address that an answer came from counts, and what a browser would not have sent is not in the dialogue', async () => {
  const page: PageRequest = { origin: 'http://app.example.com', url: 'http://api.example.net/' };
  const verdict = await fetchAsPage(page, async () => ({ ...grant, address: '127.0.0.1' }));
  assert.equal(verdict.blocked?.reason, 'local-network');
  assert.equal(verdict.blocked?.during, 'page');
  assert.deepEqual(verdict.exchanges, []);
});

test('where the page comes from is looked up only if it makes a difference', async () => {
  let lookUps = 0;
  const lookUpPage = async () => (lookUps++, '127.0.0.1');
  const origin = 'https://app.example.com';
  assert.equal((await fetchAsPage({ origin, url: 'https://api.example.net/' }, async () => grant, { lookUpPage })).asks, undefined);
  assert.equal(lookUps, 0);
  const local = { origin, url: 'https://localhost/' };
  assert.equal((await fetchAsPage(local, async () => grant, { lookUpPage })).asks, undefined);
  assert.equal(lookUps, 1);
  assert.equal((await fetchAsPage(local, async () => grant)).asks?.permission, 'loopback-network');
});

test('every address on the way is looked at, redirects included', async () => {
  const redirect = { status: 302, headers: [...grant.headers, ['Location', 'http://api.example.net/']] as const };
  const verdict = await fetchAsPage({ origin: 'https://app.example.com', url: 'https://api.example.net/' }, async () => redirect);
  assert.equal(verdict.blocked?.reason, 'mixed-content');
  assert.equal(verdict.blocked?.url, 'http://api.example.net/');
  assert.equal(verdict.exchanges.length, 1);
});

// ---- In real browsers ----

const PAGE = `<!doctype html><title>Network access test</title><script type="module">
  const urls = await (await fetch('/urls')).json();
  const seen = [];
  for (const url of urls) {
    seen.push(await fetch(url, { signal: AbortSignal.timeout(1500) }).then(
      () => 'open',
      ({ name }) => (name === 'TimeoutError' ? 'asks' : 'refused'),
    ));
  }
  await fetch('/seen', { method: 'POST', body: JSON.stringify(seen) });
</script>`;

async function start(t: TestContext, answer: Parameters<typeof createServer>[1]): Promise<number> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Every name is this machine, and what listens on these ports counts as the internet. */
const asPublic = (...ports: number[]): LaunchOptions => ({
  chromium: [
    '--host-resolver-rules=MAP *.example.com 127.0.0.1,MAP *.example.net 127.0.0.1',
    `--ip-address-space-overrides=${ports.map((port) => `127.0.0.1:${port}=public`).join(',')}`,
  ],
  firefox: {
    'network.dns.localDomains': 'app.example.com,api.example.net',
    'network.lna.address_space.public.override': ports.map((port) => `127.0.0.1:${port}`).join(','),
  },
});

/** What comes of these calls, in the browser, for a page of the internet without https:. */
async function seenBy(t: TestContext, browser: Browser, urls: (api: number, publicApi: number) => string[]): Promise<string[]> {
  const anyone: Parameters<typeof createServer>[1] = (_request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*').end();
  };
  const api = await start(t, anyone);
  const publicApi = await start(t, anyone);
  let tell!: (seen: string[]) => void;
  const seen = new Promise<string[]>((resolve) => (tell = resolve));
  const port = await start(t, async (request, response) => {
    if (request.url === '/seen') tell((await json(request)) as string[]);
    response.setHeader('Content-Type', request.url === '/' ? 'text/html' : 'application/json');
    response.end(request.url === '/' ? PAGE : JSON.stringify(urls(api, publicApi)));
  });
  return Promise.race([seen, launchBrowser(t, browser, `http://app.example.com:${port}/`, asPublic(port, publicApi))]);
}

suite('in real browsers', { concurrency: true }, () => {
  for (const browser of BROWSERS) {
    const name = `${browser} ${browser === 'chromium' ? 'lets no' : 'asks before a'} http: page of the internet call this computer`;
    test(name, { skip: skipWithout(browser), timeout: 30_000 }, async (t) => {
      const seen = await seenBy(t, browser, (api, publicApi) => [
        `http://api.example.net:${api}/`, `http://api.example.net:${publicApi}/`, `http://0.0.0.0:${api}/`,
        'http://localhost:6000/',
      ]);
      assert.deepEqual(seen, [browser === 'chromium' ? 'refused' : 'asks', 'open', 'refused', 'refused']);
    });
  }
});
