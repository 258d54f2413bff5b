import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { type TestContext, suite, test } from 'node:test';
import { type PageRequest, fetchAsPage } from '../../scripts/cors/browser-model.ts';
import { BROWSERS, launchBrowser, skipWithout } from '../../scripts/cors/launch-browser.ts';
import { performHttp } from '../../scripts/cors/perform-http.ts';
import { type CorsOptions, type Origin, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';

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
  'this page, reading only': { origins: async (origin) => origin === page, methods: ['GET'], allowedHeaders: ['X-Token'], maxAge: 0 },
  'another page': { origins: ['https://app.example.com'], credentials: true },
});

type Case = Required<Pick<PageRequest, 'url' | 'method' | 'headers' | 'credentials'>> & { body?: string };

/** What a page asks of the API at `api`; every URL is another, so that no case lives on the preflight of an earlier one. */
function casesFor(api: string, policy: string): Case[] {
  const headerSets: Case['headers'][] = [[], [['Content-Type', 'application/json']], [['X-Token', '1']], [['Authorization', 'Bearer 1'], ['X-Api-Key', '1']]];
  const paths = ['/things', '/things', '/nope', '/fails'];
  return paths.flatMap((path, turn) =>
    ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'patch'].flatMap((method, index) =>
      headerSets.filter((_headers, set) => turn < 2 || (index + set) % 2 === 0).map((headers): Case => ({
        url: `${api}${path}?${policy}-${turn}-${method}-${headers.length ? headers[0]![0] : ''}`.replaceAll(' ', '+'),
        method,
        headers,
        credentials: (turn + index) % 2 ? 'include' : 'omit',
        ...(method === 'POST' && { body: '[1]' }),
      })),
    ),
  );
}

/** What a page sees of an answer: nothing, or its status and the headers that it may read. */
type Seen = 'blocked' | { status: number; headers: string[] };

const PAGE = `<!doctype html><title>CORS test</title><script type="module">
  const cases = await (await fetch('/cases')).json();
  const seen = [];
  for (const { url, ...options } of cases) {
    seen.push(await fetch(url, options).then(
      ({ status, headers }) => ({ status, headers: [...headers.keys()].sort() }),
      () => 'blocked',
    ));
  }
  await fetch('/seen', { method: 'POST', body: JSON.stringify(seen) });
</script>`;

/** The origin of the page, which hands out the cases and takes what was seen. */
async function servePage(t: TestContext): Promise<{ origin: Origin; hand: (cases: Case[]) => void; seen: Promise<Seen[]> }> {
  let cases: Case[] = [];
  let report!: (seen: Seen[]) => void;
  const seen = new Promise<Seen[]>((resolve) => (report = resolve));
  const server = createServer(async (request, response) => {
    if (request.url === '/seen') report((await json(request)) as Seen[]);
    response.setHeader('Content-Type', request.url === '/' ? 'text/html' : 'application/json');
    response.end(request.url === '/' ? PAGE : JSON.stringify(cases));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { origin: `http://localhost:${port}`, hand: (handed) => (cases = handed), seen };
}

suite('in real browsers', { concurrency: true }, () => {
  for (const browser of BROWSERS) {
    const name = `${browser} lets a page do exactly what the model of the browser says`;
    test(name, { skip: skipWithout(browser), timeout: 60_000 }, async (t) => {
      const agent = new Agent({ keepAlive: true });
      t.after(() => agent.destroy());
      const page = await servePage(t);
      const cases: Case[] = [];
      for (const [name, cors] of Object.entries(policies(page.origin))) {
        const { port } = await listen(t, { '/things': Things, '/fails': Fails }, { cors });
        cases.push(...casesFor(`http://localhost:${port}`, name));
      }
      page.hand(cases);
      const ended = launchBrowser(t, browser, page.origin);

      const predicted: Seen[] = [];
      for (const request of cases) {
        const verdict = await fetchAsPage({ ...request, origin: page.origin }, (sent) => performHttp(sent, agent));
        const { allowed, response, readableHeaders } = verdict;
        predicted.push(allowed ? { status: response!.status, headers: [...readableHeaders!] } : 'blocked');
      }

      const seen = await Promise.race([page.seen, ended]);
      assert.equal(seen.length, cases.length);
      for (const [index, request] of cases.entries()) assert.deepEqual(seen[index], predicted[index], JSON.stringify(request));
      assert.ok(predicted.includes('blocked') && predicted.some((what) => what !== 'blocked'));
      t.diagnostic(`${cases.length} requests of a page, ${predicted.filter((what) => what === 'blocked').length} of them blocked`);
    });
  }
});
