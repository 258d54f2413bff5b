import assert from 'node:assert/strict';
import { Agent, createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { type TestContext, after, before, suite, test } from 'node:test';
import { type PageRequest, fetchAsPage } from '../../scripts/cors/browser-model.ts';
import {
  BROWSERS, type Browser, type LaunchOptions, type Lifetime, skipWithout,
} from '../../scripts/cors/launch-browser.ts';
import { performHttp } from '../../scripts/cors/perform-http.ts';
import { createPlayground } from '../../scripts/cors/playground/server.ts';
import { type CorsOptions, type Origin, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';
import { routes } from './api.ts';
import { openInChromium } from './chromium-page.ts';
import { type OneBrowser, startBrowser } from './one-browser.ts';
import { serve } from './serve.ts';

/** A page that tries out what it is given, one after the other, and reports what it saw of each. */
async function servePage<Given, Seen>(
  lifetime: Lifetime, script: string,
): Promise<{ port: number; give: (given: Given[]) => void; seen: Promise<Seen[]> }> {
  const page = `<!doctype html><title>CORS test</title><script type="module">
    const see = ${script};
    const seen = [];
    for (const given of await (await fetch('/given')).json()) seen.push(await see(given));
    await fetch('/seen', { method: 'POST', body: JSON.stringify(seen) });
  </script>`;
  let given: Given[] = [];
  let report!: (seen: Seen[]) => void;
  const seen = new Promise<Seen[]>((resolve) => (report = resolve));
  const port = await serve(lifetime, createServer(async (request, response) => {
    if (request.url === '/seen') report((await json(request)) as Seen[]);
    response.setHeader('Content-Type', request.url === '/' ? 'text/html' : 'application/json');
    response.end(request.url === '/' ? page : JSON.stringify(given));
  }));
  return { port, give: (all) => (given = all), seen };
}

// ---- What a page may do ----

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
 * What a page asks of the API at `api`: any two of the methods, sets of headers, paths and ways with cookies together,
 * and all three of the first under one policy or the next. Every URL is another, so that no case lives on the preflight
 * of an earlier one.
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

/** What a page sees of an answer: nothing, or its status and the headers that it may read. */
type Seen = 'blocked' | { status: number; headers: string[] };

const SEE_ANSWER = `({ url, ...options }) => fetch(url, options).then(
  ({ status, headers }) => ({ status, headers: [...headers.keys()].sort() }),
  () => 'blocked',
)`;

async function assertAsPredicted(t: TestContext, browser: OneBrowser): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const page = await servePage<Case, Seen>(t, SEE_ANSWER);
  const origin: Origin = `http://localhost:${page.port}`;
  const cases: Case[] = [];
  for (const [policy, cors] of Object.values(policies(origin)).entries()) {
    const { port } = await listen(t, { '/things': Things, '/fails': Fails }, { cors });
    cases.push(...casesFor(`http://localhost:${port}`, policy));
  }
  page.give(cases);
  const ended = browser.open(origin);

  const predicted: Seen[] = [];
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
  const blocked = predicted.filter((what) => what === 'blocked').length;
  assert.ok(blocked > 0 && blocked < cases.length);
  t.diagnostic(`${cases.length} requests of a page, ${blocked} of them blocked`);
}

// ---- Which addresses a page may call ----

/** Where the browser asks, nothing comes until somebody answers; anything else comes, however busy the machine is. */
const SEE_ACCESS = `({ url, patience }) => fetch(url, patience && { signal: AbortSignal.timeout(patience) }).then(
  () => 'open',
  ({ name }) => (name === 'TimeoutError' ? 'asks' : 'refused'),
)`;

/** A page and an API of the internet without https:, and an API of this computer. */
async function serveInternet(lifetime: Lifetime) {
  const anyone = () => createServer((_request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*').end();
  });
  const page = await servePage<{ url: string; patience?: number }, string>(lifetime, SEE_ACCESS);
  return { page, api: await serve(lifetime, anyone()), localApi: await serve(lifetime, anyone()) };
}
type Internet = Awaited<ReturnType<typeof serveInternet>>;

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

// ---- The playground ----

const routesFile = 'test/cors/api.ts';

interface Outcome {
  allowed: boolean;
  status?: number;
}
interface Report {
  results?: { name: string; prediction: Outcome; reality: Outcome; agree: boolean }[];
  held?: string[];
  refused?: string;
  error?: string;
}

/** What the page says when it is opened as `/?report`, for an API with this policy. */
async function reportOf(t: TestContext, browser: OneBrowser, cors: CorsOptions): Promise<Report> {
  const { url: target } = await listen(t, routes, { cors });
  let tell!: (report: Report) => void;
  const report = new Promise<Report>((resolve) => (tell = resolve));
  const playground = createPlayground(target, { routes: routesFile, onReport: (one) => tell(one as Report) });
  const ended = browser.open(`http://127.0.0.1:${await serve(t, playground)}/?report`);
  return Promise.race([report, ended]);
}

const playgroundPolicies: [name: string, cors: CorsOptions, outcomes: string][] = [
  ['any page', { origins: '*' }, '200 200 200 200 blocked blocked blocked 404'],
  [
    'this page, with cookies', { origins: ['http://127.0.0.1:*'], credentials: true },
    '200 200 200 200 blocked 200 blocked 404',
  ],
  ['another page', { origins: ['https://app.example.com'] }, Array(8).fill('blocked').join(' ')],
];
const inWords = ({ allowed, status }: Outcome) => (allowed ? String(status) : 'blocked');

// ---- All of it, in one browser of each kind ----

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

  test(`${name} lets a page do exactly what the model of the browser says`, options, async (t) => {
    await assertAsPredicted(t, browser);
  });

  const access = name === 'chromium' ? 'lets no' : 'asks before a';
  test(`${name} ${access} http: page of the internet call this computer`, options, async () => {
    const { page, api, localApi } = internet;
    page.give([
      { url: `http://api.example.net:${localApi}/`, ...(name === 'firefox' && { patience: 1500 }) },
      { url: `http://api.example.net:${api}/` },
      { url: `http://0.0.0.0:${localApi}/` },
      { url: 'http://localhost:6000/' },
    ]);
    const seen = await Promise.race([page.seen, browser.open(`http://app.example.com:${page.port}/`)]);
    assert.deepEqual(seen, [name === 'chromium' ? 'refused' : 'asks', 'open', 'refused', 'refused']);
  });

  for (const [policy, cors, outcomes] of name === 'chromium' ? playgroundPolicies : playgroundPolicies.slice(0, 1)) {
    const what = 'prediction and reality of every ready-made request agree';
    test(`in the playground in ${name}, ${what}, where the policy is: ${policy}`, options, async (t) => {
      const { results = [], error, held, refused } = await reportOf(t, browser, cors);
      assert.equal(error, undefined);
      assert.deepEqual(results.filter(({ agree }) => !agree), []);
      assert.equal(results.map(({ reality }) => inWords(reality)).join(' '), outcomes);
      assert.equal(results.map(({ prediction }) => inWords(prediction)).join(' '), outcomes);
      assert.deepEqual(held, ['POST /', 'PUT /notes/1', 'DELETE /notes/1']);
      const refusal = /this playground's origin, http:\/\/127\S+, .*Add it to CORS_ORIGINS .*keep the entries/;
      if (!outcomes.includes('200')) assert.match(refused!, refusal);
      else assert.equal(refused, '');
    });
  }
  if (name !== 'chromium') return;

  const pressed = 'what is pressed in the playground is filled in, sent, and shown right below on a narrow screen';
  test(pressed, options, async (t) => {
    const { url: target } = await listen(t, routes);
    const address = `http://127.0.0.1:${await serve(t, createPlayground(target, { routes: routesFile }))}`;
    const page = await openInChromium(browser.process, address, 390, 800);
    await page.until(`document.querySelector('#summary')?.textContent.includes('agree')`);
    await page.until(`document.querySelector('#details .outcome')`);
    const get = (expression: string) => page.run(`return ${expression}`);
    const textOf = async (selector: string) => String(await get(`document.querySelector('${selector}').innerText`));
    assert.match(await textOf('thead'), /Prediction\s*by the standard/);
    const isOnScreen = `const { top, left, right } = document.querySelector('#result').getBoundingClientRect();
      return top >= 0 && top < 200 && left >= 0 && right <= 390`;
    const isBelow = (id: string) =>
      page.until(`document.querySelector('#result').previousElementSibling.id === '${id}'`);
    const press = (name: string) => page.run(`
      [...document.querySelectorAll('.choice')].find((one) => one.textContent === '${name}').click()`);
    const announced = (condition: string) =>
      page.until(`document.querySelector('#announcement').textContent.${condition}`);

    await press('With cookies');
    await announced(`endsWith('with cookies: blocked, as predicted')`);
    await isBelow('ready-made');
    assert.equal(await page.run(isOnScreen), true);

    await press('Send JSON');
    await announced(`includes('when you press Send')`);
    assert.equal(await get(`document.querySelector('#body').value`), '{}');
    await page.run(`document.querySelector('#own [type=submit]').click()`);
    await announced(`endsWith(': allowed, as predicted')`);
    await isBelow('own-request');
    assert.equal(await page.run(isOnScreen), true);
    assert.match(await textOf('tr.chosen'), /allowed\s*✓ allowed/);

    await page.run(`const { method } = document.querySelector('#own').elements;
      method.value = 'GET';
      method.dispatchEvent(new Event('change'))`);
    assert.equal(await get(`document.querySelector('#body').value`), '');

    await page.run(`document.querySelector('#url').value = 'localhost:8000/notes';
      document.querySelector('#own [type=submit]').click()`);
    const advice = 'Write the whole address, such as http://localhost:8000/notes';
    assert.equal(await get(`document.querySelector('#url-error').textContent`), advice);
    assert.equal(await get(`document.activeElement.id`), 'url');
    assert.equal(await get(`document.documentElement.scrollWidth <= innerWidth`), true);
  });
}

suite('in real browsers', { concurrency: true }, () => {
  for (const name of BROWSERS) suite(name, { concurrency: true }, () => testsIn(name));
});
