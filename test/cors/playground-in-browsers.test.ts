import assert from 'node:assert/strict';
import { type TestContext, after, before, describe, test } from 'node:test';
import { BROWSERS, type Browser, skipWithout } from '../../scripts/cors/launch-browser.ts';
import { createPlayground } from '../../scripts/cors/playground/server.ts';
import type { CorsOptions } from '../../src/http/index.ts';
import { listen } from '../listen.ts';
import { routes } from './api.ts';
import { openInChromium } from './chromium-page.ts';
import { connectToDevTools } from './devtools.ts';
import { type OneBrowser, startBrowser } from './one-browser.ts';
import { serve } from './serve.ts';

const routesFile = 'test/cors/api.ts';

interface Result {
  allowed: boolean;
  status?: number;
}
interface Report {
  results?: { name: string; prediction: Result; reality: Result; agree: boolean }[];
  unsent?: string[];
  denied?: string;
  error?: string;
}

/** Opens the playground for an API with this policy, and returns its report. */
async function reportOf(t: TestContext, browser: OneBrowser, cors: CorsOptions): Promise<Report> {
  const { url: target } = await listen(t, routes, { cors });
  let resolveReport!: (report: Report) => void;
  const report = new Promise<Report>((resolve) => (resolveReport = resolve));
  const onReport = (value: unknown) => resolveReport(value as Report);
  const playground = createPlayground(target, { routes: routesFile, onReport });
  const ended = browser.open(`http://127.0.0.1:${await serve(t, playground)}/?report`);
  return Promise.race([report, ended]);
}

const policies: [name: string, cors: CorsOptions, results: string][] = [
  ['any page', { origins: '*' }, '200 200 200 200 blocked blocked blocked 404'],
  [
    'this page with cookies', { origins: ['http://127.0.0.1:*'], credentials: true },
    '200 200 200 200 blocked 200 blocked 404',
  ],
  ['another page', { origins: ['https://app.example.com'] }, Array(8).fill('blocked').join(' ')],
];
const inWords = ({ allowed, status }: Result) => (allowed ? String(status) : 'blocked');

function testsIn(name: Browser): void {
  const options = { skip: skipWithout(name), timeout: 60_000 };
  const closing: (() => Promise<void>)[] = [];
  let browser: OneBrowser;
  before(async () => {
    if (options.skip) return;
    const lifetime = { after: (close: () => Promise<void>) => void closing.push(close) };
    browser = await startBrowser(lifetime, name, {});
  });
  after(() => Promise.all(closing.map((close) => close())));

  for (const [policy, cors, expected] of name === 'chromium' ? policies : policies.slice(0, 1)) {
    test(`predicts every sample in ${name} if the API allows ${policy}`, options, async (t) => {
      const { results = [], error, unsent, denied } = await reportOf(t, browser, cors);
      assert.equal(error, undefined);
      assert.deepEqual(results.filter(({ agree }) => !agree), []);
      assert.equal(results.map(({ reality }) => inWords(reality)).join(' '), expected);
      assert.equal(results.map(({ prediction }) => inWords(prediction)).join(' '), expected);
      assert.deepEqual(unsent, ['POST /', 'PUT /notes/1', 'DELETE /notes/1']);
      const advice = /the origin of this page, http:\/\/127\S+, .*Add it to CORS_ORIGINS .*keep the other entries/;
      if (!expected.includes('200')) assert.match(denied!, advice);
      else assert.equal(denied, '');
    });
  }
  if (name !== 'chromium') return;

  test('fills in, sends and shows the chosen request on a narrow screen', options, async (t) => {
    const { url: target } = await listen(t, routes);
    const address = `http://127.0.0.1:${await serve(t, createPlayground(target, { routes: routesFile }))}`;
    const page = await openInChromium(connectToDevTools(browser.process), address, 390);
    await page.until(`document.querySelector('#summary')?.textContent.includes('agree')`);
    await page.until(`document.querySelector('#details .outcome')`);
    const get = (expression: string) => page.run(`return ${expression}`);
    const textOf = async (selector: string) => String(await get(`document.querySelector('${selector}').innerText`));
    assert.match(await textOf('thead'), /Prediction\s*by the standard/);
    const isOnScreen = `const { top, left, right } = document.querySelector('#result').getBoundingClientRect();
      return top >= 0 && top < 200 && left >= 0 && right <= 390`;
    const isBelow = (id: string) =>
      page.until(`document.querySelector('#result').previousElementSibling.id === '${id}'`);
    const press = (label: string) => page.run(`
      [...document.querySelectorAll('.choice')].find(({ textContent }) => textContent === '${label}').click()`);
    const isAnnounced = (condition: string) =>
      page.until(`document.querySelector('#announcement').textContent.${condition}`);

    await press('With cookies');
    await isAnnounced(`endsWith('with cookies: blocked, as predicted')`);
    await isBelow('samples');
    assert.equal(await page.run(isOnScreen), true);

    await press('Send JSON');
    await isAnnounced(`includes('when you press Send')`);
    assert.equal(await get(`document.querySelector('#body').value`), '{}');
    await page.run(`document.querySelector('#own [type=submit]').click()`);
    await isAnnounced(`endsWith(': allowed, as predicted')`);
    await isBelow('own-request');
    assert.equal(await page.run(isOnScreen), true);
    assert.match(await textOf('tr.chosen'), /allowed\s*✓ allowed/);

    await page.run(`const { method } = document.querySelector('#own').elements;
      method.value = 'GET';
      method.dispatchEvent(new Event('change'))`);
    assert.equal(await get(`document.querySelector('#body').value`), '');

    await page.run(`document.querySelector('#url').value = 'localhost:8000/notes';
      document.querySelector('#own [type=submit]').click()`);
    const advice = 'Write the complete address, such as http://localhost:8000/notes';
    assert.equal(await get(`document.querySelector('#url-error').textContent`), advice);
    assert.equal(await get(`document.activeElement.id`), 'url');
    assert.equal(await get(`document.documentElement.scrollWidth <= innerWidth`), true);
  });
}

describe('playground in real browsers', { concurrency: true }, () => {
  for (const name of BROWSERS) describe(name, { concurrency: true }, () => testsIn(name));
});
