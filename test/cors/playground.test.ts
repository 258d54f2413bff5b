import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, type Server, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { type TestContext, suite, test } from 'node:test';
import { BROWSERS, type Browser, launchBrowser, skipWithout } from '../../scripts/cors/launch-browser.ts';
import { createPlayground } from '../../scripts/cors/playground/server.ts';
import type { CorsOptions } from '../../src/http/index.ts';
import { listen } from '../listen.ts';
import { routes } from './api.ts';
import { openInChromium } from './chromium-page.ts';

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

async function start(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What the page says when it is opened as `/?report` in a real browser, for an API with this policy. */
async function reportOf(t: TestContext, browser: Browser, cors: CorsOptions): Promise<Report> {
  const { url: target } = await listen(t, routes, { cors });
  let tell!: (report: Report) => void;
  const report = new Promise<Report>((resolve) => (tell = resolve));
  const page = await start(t, createPlayground(target, { routes: routesFile, onReport: (reported) => tell(reported as Report) }));
  return Promise.race([report, launchBrowser(t, browser, `${page}/?report`)]);
}

/** As its own page asks it, unless `headers` say otherwise. */
async function perform(page: string, wanted: object, headers: Record<string, string> = {}): Promise<{ status: number; answer: Record<string, unknown> }> {
  const outgoing = request(`${page}/perform`, { method: 'POST', headers: { origin: page, 'content-type': 'application/json', ...headers } });
  outgoing.end(JSON.stringify(wanted));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: response.statusCode!, answer: (await json(response)) as Record<string, unknown> };
}

const policies: [name: string, cors: CorsOptions, outcomes: string][] = [
  ['any page', { origins: '*' }, '200 200 200 200 blocked blocked blocked 404'],
  ['this page, with cookies', { origins: ['http://127.0.0.1:*'], credentials: true }, '200 200 200 200 blocked 200 blocked 404'],
  ['another page', { origins: ['https://app.example.com'] }, Array(8).fill('blocked').join(' ')],
];
const inWords = ({ allowed, status }: Outcome) => (allowed ? String(status) : 'blocked');

suite('in real browsers', { concurrency: 2 }, () => {
  for (const [policy, cors, outcomes] of policies) {
    for (const browser of policy === 'any page' ? BROWSERS : (['chromium'] as const)) {
      const name = `in ${browser}, prediction and reality of every ready-made request agree, where the policy is: ${policy}`;
      test(name, { skip: skipWithout(browser), timeout: 60_000 }, async (t) => {
        const { results = [], error, held, refused } = await reportOf(t, browser, cors);
        assert.equal(error, undefined);
        assert.deepEqual(results.filter(({ agree }) => !agree), []);
        assert.equal(results.map(({ reality }) => inWords(reality)).join(' '), outcomes);
        assert.equal(results.map(({ prediction }) => inWords(prediction)).join(' '), outcomes);
        assert.deepEqual(held, ['POST /', 'PUT /notes/1', 'DELETE /notes/1']);
        if (!outcomes.includes('200')) assert.match(refused!, /is of (http:\S+), which the API does not let in: .*CORS_ORIGINS=\1$/);
        else assert.equal(refused, '');
      });
    }
  }

  test('what is pressed is filled in, sent, and shown right below on a narrow screen', { skip: skipWithout('chromium'), timeout: 60_000 }, async (t) => {
    const { url: target } = await listen(t, routes);
    const address = await start(t, createPlayground(target, { routes: routesFile }));
    const page = await openInChromium(t, address, 390, 800);
    await page.until(`document.querySelector('#summary')?.textContent.includes('agree')`);
    await page.until(`document.querySelector('#details .outcome')`);
    assert.match(String(await page.run(`return document.querySelector('thead').innerText`)), /Prediction\s*by the standard/);
    const isOnScreen = `const { top, left, right } = document.querySelector('#result').getBoundingClientRect();
      return top >= 0 && top < 200 && left >= 0 && right <= 390`;
    const isBelow = (id: string) => page.until(`document.querySelector('#result').previousElementSibling.id === '${id}'`);
    const press = (name: string) => page.run(`[...document.querySelectorAll('.choice')].find((one) => one.textContent === '${name}').click()`);

    await press('With cookies');
    await page.until(`document.querySelector('#announcement').textContent.endsWith('with cookies: blocked, as predicted')`);
    await isBelow('ready-made');
    assert.equal(await page.run(isOnScreen), true);

    await press('Send JSON');
    await page.until(`document.querySelector('#announcement').textContent.includes('when you press Send')`);
    assert.equal(await page.run(`return document.querySelector('#body').value`), '{}');
    await page.run(`document.querySelector('#own [type=submit]').click()`);
    await page.until(`document.querySelector('#announcement').textContent.endsWith(': allowed, as predicted')`);
    await isBelow('own-request');
    assert.equal(await page.run(isOnScreen), true);
    assert.match(String(await page.run(`return document.querySelector('tr.chosen').innerText`)), /allowed\s*✓ allowed/);

    await page.run(`const { method } = document.querySelector('#own').elements;
      method.value = 'GET';
      method.dispatchEvent(new Event('change'))`);
    assert.equal(await page.run(`return document.querySelector('#body').value`), '');

    await page.run(`document.querySelector('#url').value = 'localhost:8000/notes';
      document.querySelector('#own [type=submit]').click()`);
    assert.equal(await page.run(`return document.querySelector('#url-error').textContent`), 'Write the whole address, such as http://localhost:8000/notes');
    assert.equal(await page.run(`return document.activeElement.id`), 'url');
    assert.equal(await page.run(`return document.documentElement.scrollWidth <= innerWidth`), true);
  });
});

test('without a file of routes, the ready-made requests are of the root', async (t) => {
  const page = await start(t, createPlayground('http://localhost:8000'));
  assert.deepEqual(await (await fetch(`${page}/target`)).json(), { target: 'http://localhost:8000', paths: [] });
  const other = await start(t, createPlayground('http://localhost:8000', { routes: routesFile }));
  assert.deepEqual(await (await fetch(`${other}/target`)).json(), { target: 'http://localhost:8000', paths: ['/', '/notes', '/notes/:id'] });
});

test('the page gets the very model and advice that the command has, as JavaScript, and all that they import', async (t) => {
  const page = await start(t, createPlayground('http://localhost:8000'));
  const paths = ['/playground.js'];
  for (const path of paths) {
    const response = await fetch(page + path);
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get('content-type'), 'text/javascript; charset=utf-8', path);
    const source = await response.text();
    assert.doesNotMatch(source, /^(?:export )?(?:type|interface) /m, path);
    for (const [, from] of source.matchAll(/^(?:import|\} from)\b[^;]*?["']([^"']+)["'];$/gm)) {
      const imported = new URL(from!, page + path).pathname;
      if (!paths.includes(imported)) paths.push(imported);
    }
  }
  for (const path of ['/browser-model.ts', '/advice.ts']) assert.ok(paths.includes(path), path);
});

test('the page is made of nothing but its own files', async (t) => {
  const page = await start(t, createPlayground('http://localhost:8000'));
  const response = await fetch(page);
  assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'; script-src 'self'; style-src 'self'/);
  const names = [...(await response.text()).matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map(([, name]) => name!);
  assert.deepEqual(names.toSorted(), ['/playground.js', '/style.css']);
  for (const name of names) assert.equal((await fetch(page + name)).status, 200);
  assert.equal((await fetch(`${page}/server.ts`)).status, 404);
});

test('it performs plain HTTP for its own page, with the headers that no page can send or see', async (t) => {
  const { url } = await listen(t, routes);
  const page = await start(t, createPlayground('http://localhost:8000'));
  const headers = [['Origin', 'https://app.example.com'], ['Access-Control-Request-Method', 'PUT']];
  const { status, answer } = await perform(page, { method: 'OPTIONS', url: `${url}/notes/1`, headers });
  assert.equal(status, 200);
  assert.equal(answer['status'], 204);
  assert.ok((answer['headers'] as string[][]).some(([name]) => name === 'Access-Control-Allow-Methods'));
});

test('it performs nothing for the page of another site, nor under another site\'s name', async (t) => {
  let requests = 0;
  const target = await start(t, createServer((_request, response) => response.end(String(requests++))));
  const page = await start(t, createPlayground(target));
  const wanted = { method: 'GET', url: target, headers: [] };
  assert.equal((await perform(page, wanted, { origin: 'https://evil.example.com' })).status, 403);
  assert.equal((await perform(page, wanted, { origin: 'null' })).status, 403);
  assert.equal((await perform(page, wanted, { origin: 'http://evil.example.com', host: 'evil.example.com' })).status, 421);
  assert.equal((await perform(page, wanted, { origin: 'http://localhost.example.com', host: 'localhost.example.com' })).status, 421);
  assert.equal(requests, 0);
  assert.equal((await perform(page, wanted)).status, 200);
  assert.equal(requests, 1);
});

test('it is no proxy to other machines than this one and the target', async (t) => {
  const page = await start(t, createPlayground('http://api.example.invalid:8000'));
  for (const url of ['http://example.com', 'http://192.168.0.1', 'http://localhost.example.com', 'http://127.0.0.1.example.com', 'http://api.example.invalid', 'http://169.254.169.254']) {
    const { status, answer } = await perform(page, { method: 'GET', url, headers: [] });
    assert.equal(status, 403, url);
    assert.match(String(answer['error']), /this machine only/);
  }
  for (const url of ['file:///etc/passwd', 'ftp://localhost', 'localhost:8000', '']) {
    assert.equal((await perform(page, { method: 'GET', url, headers: [] })).status, 400, url);
  }
  // The target is asked, and is not there.
  assert.equal((await perform(page, { method: 'GET', url: 'http://api.example.invalid:8000/', headers: [] })).status, 502);
});

test('npm run cors:playground says where the page is, and warns of nothing', async (t) => {
  const child = spawn(process.execPath, [...process.execArgv, 'scripts/cors/playground.ts', '--port', '0', '--target', 'http://localhost:8123/', '--routes', routesFile]);
  t.after(() => child.kill('SIGKILL'));
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += chunk));
  const [line] = await once(child.stdout, 'data');
  const [, page] = /^Open (http:\/\/127\.0\.0\.1:\d+) in a browser: it calls http:\/\/localhost:8123\n$/.exec(String(line))!;
  assert.deepEqual(await (await fetch(`${page}/target`)).json(), { target: 'http://localhost:8123', paths: ['/', '/notes', '/notes/:id'] });
  assert.equal((await fetch(`${page}/advice.ts`)).status, 200);
  child.kill();
  await once(child, 'close');
  assert.equal(errors, '');
});

test('what it cannot start with is named in one line, and the exit code is 2', async (t) => {
  const taken = new URL(await start(t, createServer())).port;
  const slips: [option: string, value: string, advice: RegExp][] = [
    ['--port', taken, /is taken: .*choose another --port$/],
    ['--port', 'eighty', /write a number from 0 to 65535$/],
    ['--routes', 'nowhere.ts', /is not there; write a file such as src\/routes\.ts$/],
    ['--target', 'localhost:8000', /such as http:\/\/localhost:8000$/],
    ['--prot', '8001', /--help shows the options/],
  ];
  await Promise.all(slips.map(async ([option, value, advice]) => {
    const child = spawn(process.execPath, [...process.execArgv, 'scripts/cors/playground.ts', option, value]);
    let errors = '';
    child.stderr.on('data', (chunk) => (errors += chunk));
    const [code] = await once(child, 'close');
    assert.equal(code, 2);
    assert.match(errors, /^[^\n]+\n$/);
    assert.match(errors.trimEnd(), advice);
  }));
});
