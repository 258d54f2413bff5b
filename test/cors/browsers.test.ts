import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, after, before, describe, test } from 'node:test';
import { type PageRequest, fetchAsPage } from '../../scripts/cors/browser-model.ts';
import {
  BROWSERS, type Browser, type LaunchOptions, type Lifetime, skipWithout,
} from '../../scripts/cors/launch-browser.ts';
import { performHttp } from '../../scripts/cors/perform-http.ts';
import { type CorsOptions, type Origin, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';
import { openInChromium } from './chromium-page.ts';
import { connectToDevTools } from './devtools.ts';
import { type OneBrowser, startBrowser } from './one-browser.ts';
import { serveReportingPage } from './reporting-page.ts';
import { serve } from './serve.ts';

// ---- Policies ----

class Things extends RequestHandler {
  override doGet() {
    this.sendHeader('Location', '/things/1');
    this.sendHeader('X-Request-Id', '1');
    return {};
  }
  override async doPost() {
    return this.readJson();
  }
  override doPut() {}
}
class Fails extends RequestHandler {
  override doGet() {
    throw new Error('Out of order');
  }
  override logError() {}
}

const policies = (page: Origin): Record<string, CorsOptions> => ({
  'any page': { origins: '*', allowedHeaders: '*', exposedHeaders: ['*'] },
  'this page, with cookies': { origins: [page], credentials: true, exposedHeaders: ['X-Request-Id'] },
  'this page, with cookies and any header': { origins: ['http://localhost:*'], credentials: true, allowedHeaders: '*' },
  'this page, reading only': {
    origins: async (origin) => origin === page, methods: ['GET'], allowedHeaders: ['X-Token'], maxAge: 0,
  },
  'another page': { origins: ['https://app.example.com'], credentials: true },
});

type Case = Required<Pick<PageRequest, 'url' | 'method' | 'headers' | 'credentials'>> & { body?: string };

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'patch'];
const headerSets: Case['headers'][] = [
  [], [['Content-Type', 'application/json']], [['X-Token', '1']], [['Authorization', 'Bearer 1'], ['X-Api-Key', '1']],
];

/**
 * Returns the requests of a page under one policy. They combine any two of the methods, header sets, paths and
 * credentials modes. Every URL is different, so that no request uses the cached preflight of an earlier one.
 */
function casesFor(api: string, policy: number): Case[] {
  const paths = ['/things', '/things', '/nope', '/fails'];
  return paths.flatMap((path, turn) =>
    methods.flatMap((method, index) =>
      headerSets.flatMap((headers, set): Case[] => (turn + index + set) % 2 ? [] : [{
        url: `${api}${path}?${policy}-${turn}-${method}-${headers.length ? headers[0]![0] : ''}`,
        method,
        headers,
        credentials: (policy + turn + (index >> 1) + (set >> 1)) % 2 ? 'include' : 'omit',
        ...(method === 'POST' && { body: '[1]' }),
      }]),
    ),
  );
}

/** What a page can observe of a response. */
type Observed = 'blocked' | { status: number; headers: string[] };

const OBSERVE_RESPONSE = `({ url, ...options }) => fetch(url, options).then(
  ({ status, headers }) => ({ status, headers: [...headers.keys()].sort() }),
  () => 'blocked',
)`;

async function assertAsPredicted(t: TestContext, browser: OneBrowser): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const page = await serveReportingPage<Case, Observed>(t, OBSERVE_RESPONSE);
  const origin: Origin = `http://localhost:${page.port}`;
  const cases: Case[] = [];
  for (const [policy, cors] of Object.values(policies(origin)).entries()) {
    const { port } = await listen(t, { '/things': Things, '/fails': Fails }, { cors });
    cases.push(...casesFor(`http://localhost:${port}`, policy));
  }
  page.give(cases);
  const ended = browser.open(origin);

  const predicted: Observed[] = [];
  for (const request of cases) {
    const verdict = await fetchAsPage({ ...request, origin }, (sent) => performHttp(sent, agent));
    const { allowed, response, readableHeaders } = verdict;
    predicted.push(allowed ? { status: response!.status, headers: [...readableHeaders!] } : 'blocked');
  }

  const seen = await Promise.race([page.seen, ended]);
  assert.equal(seen.length, cases.length);
  for (const [index, request] of cases.entries()) {
    assert.deepEqual(seen[index], predicted[index], JSON.stringify(request));
  }
  const blocked = predicted.filter((outcome) => outcome === 'blocked').length;
  assert.ok(blocked > 0 && blocked < cases.length);
  t.diagnostic(`${cases.length} requests of a page, ${blocked} of them blocked`);
}

// ---- Addresses ----

/** A request has no result while the browser shows its permission prompt. All others end. */
const OBSERVE_ACCESS = `({ url, timeout }) => fetch(url, timeout && { signal: AbortSignal.timeout(timeout) }).then(
  () => 'open',
  ({ name }) => (name === 'TimeoutError' ? 'asks' : 'blocked'),
)`;

/** Serves a page and an API on the internet, without https:, and an API on this computer. */
async function serveInternet(lifetime: Lifetime) {
  const createApi = () => createServer((_request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*').end();
  });
  const page = await serveReportingPage<{ url: string; timeout?: number }, string>(lifetime, OBSERVE_ACCESS);
  return { page, api: await serve(lifetime, createApi()), localApi: await serve(lifetime, createApi()) };
}
type Internet = Awaited<ReturnType<typeof serveInternet>>;

/** Resolves every name to this machine, and treats these ports as public. */
const asPublic = (...ports: number[]): LaunchOptions => ({
  chromium: [
    '--host-resolver-rules=MAP *.example.com 127.0.0.1,MAP *.example.net 127.0.0.1',
    `--ip-address-space-overrides=${ports.map((port) => `127.0.0.1:${port}=public`).join(',')}`,
    '--enable-unsafe-extension-debugging',
  ],
  firefox: {
    'network.dns.localDomains': 'app.example.com,api.example.net',
    'network.lna.address_space.public.override': ports.map((port) => `127.0.0.1:${port}`).join(','),
  },
});

// ---- Cookies ----

const COOKIES = {
  lax: 'SameSite=Lax',
  strict: 'SameSite=Strict',
  insecure: 'SameSite=None',
  partitioned: 'SameSite=None; Secure; Partitioned',
};

/** Sets the cookies, and then returns those that the browser sends back. */
class Cookies extends RequestHandler {
  override doPost() {
    for (const [name, attributes] of Object.entries(COOKIES)) this.sendHeader('Set-Cookie', `${name}=1; ${attributes}`);
  }
  override doGet() {
    return (this.request.headers.cookie ?? '').split('; ').map((cookie) => cookie.split('=')[0]);
  }
}

const OBSERVE_COOKIES = `async (url) => {
  await fetch(url, { method: 'POST', credentials: 'include' });
  return (await fetch(url, { credentials: 'include' })).json();
}`;

// ---- Extensions ----

/** Creates an extension without host permissions, so that CORS applies to it as to any page. */
async function extensionFolder(lifetime: Lifetime): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cors-extension-'));
  lifetime.after(() => rm(folder, { recursive: true }));
  const manifest = { manifest_version: 3, name: 'CORS test', version: '1' };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
  await writeFile(join(folder, 'page.html'), '<!doctype html><title>CORS test</title>');
  return folder;
}

// ---- All tests in one browser of each kind ----

function testsIn(name: Browser): void {
  const options = { skip: skipWithout(name), timeout: 60_000 };
  const closing: (() => Promise<void>)[] = [];
  let browser: OneBrowser;
  let internet: Internet;
  before(async () => {
    if (options.skip) return;
    const lifetime = { after: (close: () => Promise<void>) => void closing.push(close) };
    internet = await serveInternet(lifetime);
    browser = await startBrowser(lifetime, name, asPublic(internet.page.port, internet.api));
  });
  after(() => Promise.all(closing.map((close) => close())));

  test(`allows in ${name} exactly what the model of the browser allows`, options, async (t) => {
    await assertAsPredicted(t, browser);
  });

  const action = name === 'chromium' ? 'blocks' : 'asks before';
  test(`${action} requests of a public http: page to this computer in ${name}`, options, async () => {
    const { page, api, localApi } = internet;
    page.give([
      { url: `http://api.example.net:${localApi}/`, ...(name === 'firefox' && { timeout: 1500 }) },
      { url: `http://api.example.net:${api}/` },
      { url: `http://0.0.0.0:${localApi}/` },
      { url: 'http://localhost:6000/' },
    ]);
    const seen = await Promise.race([page.seen, browser.open(`http://app.example.com:${page.port}/`)]);
    assert.deepEqual(seen, [name === 'chromium' ? 'blocked' : 'asks', 'open', 'blocked', 'blocked']);
  });

  test(`returns only SameSite=None; Secure; Partitioned to another site in ${name}`, options, async (t) => {
    const page = await serveReportingPage<string, string[]>(t, OBSERVE_COOKIES);
    const origin: Origin = `http://localhost:${page.port}`;
    const { url } = await listen(t, { '/': Cookies }, { cors: { origins: [origin], credentials: true } });
    page.give([`${url}/`]);
    const [cookies] = await Promise.race([page.seen, browser.open(origin)]);
    assert.deepEqual(cookies, ['partitioned']);
  });

  if (name !== 'chromium') return;

  test('allows an extension whose origin the API allows', options, async (t) => {
    const send = connectToDevTools(browser.process);
    const { id } = await send('Extensions.loadUnpacked', { path: await extensionFolder(t) });
    const origin = `chrome-extension://${id}`;
    const { url: api } = await listen(t, { '/things': Things }, { cors: { origins: (other) => other === origin } });
    const { url: other } = await listen(t, { '/things': Things }, { cors: { origins: ['https://app.example.com'] } });
    const page = await openInChromium(send, `${origin}/page.html`);
    await page.until(`location.origin === '${origin}' && document.readyState === 'complete'`);
    const fetched = (url: string) => page.run(`return fetch('${url}', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: '[1]',
    }).then((response) => response.json(), () => 'blocked')`);
    assert.deepEqual(await fetched(`${api}/things`), [1]);
    assert.equal(await fetched(`${other}/things`), 'blocked');
  });
}

describe('in real browsers', { concurrency: true }, () => {
  for (const name of BROWSERS) describe(name, { concurrency: true }, () => testsIn(name));
});
