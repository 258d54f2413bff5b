import assert from 'node:assert/strict';
import { type TestContext, after, test } from 'node:test';
import type { CorsOptions } from '../../src/http/index.ts';
import { requestBytes, sendRaw } from './connection.ts';
import { ServerProcess } from './server-process.ts';

const LIMIT = { timeout: 60_000 };
const origin = 'https://app.example.com';
const page = `Origin: ${origin}`;
const asks = 'Access-Control-Request';

/** A request line, its headers, and its body. */
type Sent = [requestLine: string, headers: string[], body?: string];

/** One process for all, in which each list of requests has a server of its own, which has said nothing yet. */
const server = new ServerProcess({ after }, { log: 'text' });

/** What the log says about CORS once these have been answered. */
async function hintsOf(t: TestContext, requests: Sent[], cors?: CorsOptions): Promise<string[]> {
  const { lines } = await server.written({ log: 'text', cors }, async (port) => {
    for (const [requestLine, headers, body = ''] of requests) {
      const all = [...headers, `Content-Length: ${body.length}`, 'Connection: close'];
      const received = await sendRaw(t, port, requestBytes(requestLine, all, body));
      assert.match(received, /^HTTP\/1\.1 [24]/);
    }
  });
  return lines.flatMap((line) => /\d cors: (.*)/.exec(line)?.[1] ?? []);
}

test('who is refused as null is not told to add it: that is refused at start', LIMIT, async (t) => {
  const hints = await hintsOf(t, [
    ['GET /listed', ['Origin: null']],
    ['GET /listed', ['Origin: https://other.example']],
  ]);
  assert.equal(hints.length, 2);
  assert.match(hints[0]!, /\bnull\b/);
  assert.doesNotMatch(hints[0]!, /add it/);
  assert.match(hints[1]!, /https:\/\/other\.example.*\borigins\b.*add it/i);
});

test('SameSite=None is advised where the page is of another site, or may be', LIMIT, async (t) => {
  const cookie = 'GET /cookies?cookie=a=1';
  const about = (hints: string[]) => hints.filter((hint) => hint.includes('SameSite=None')).length;
  const from = (site: string): Sent => [cookie, [page, `Sec-Fetch-Site: ${site}`]];
  assert.equal(about(await hintsOf(t, [from('same-site'), from('same-origin')])), 0);
  assert.equal(about(await hintsOf(t, [from('same-site'), from('cross-site')])), 1);
  assert.equal(about(await hintsOf(t, [[cookie, [page]]])), 1);
});

test("the engine's own headers of a refusal need no exposing", LIMIT, async (t) => {
  const json = 'Content-Type: application/json';
  assert.deepEqual(
    await hintsOf(t, [
      ['POST /listed', [page, 'Content-Type: text/plain'], 'x'],
      ['POST /short', [page, 'Content-Type: text/plain'], 'x'],
      ['POST /listed', [page, json, 'Content-Encoding: gzip'], 'x'],
      ['POST /listed', [page, json], '{'],
      ['PUT /listed', [page]],
      ['GET /none', [page]],
    ]),
    [],
  );
});

test(
  'a page that sends cookies to a policy without credentials is told so, once for each path or policy',
  LIMIT,
  async (t) => {
    const cookie = 'Cookie: session=1';
    const hints = await hintsOf(t, [
      ['GET /listed', [page, cookie, 'Sec-Fetch-Site: cross-site']],
      ['GET /listed', [page, cookie, 'Sec-Fetch-Site: cross-site']],
      ['GET /listed', [page, cookie]],
    ]);
    assert.equal(hints.length, 1, hints.join('\n'));
    assert.match(hints[0]!, /cookies/);
    assert.match(hints[0]!, /credentials/i);
  },
);

test('a page that sends cookies to the policy of the server is told which variable it is', LIMIT, async (t) => {
  const hints = await hintsOf(t, [
    ['POST /short', [page, 'Cookie: session=1', 'Content-Type: application/json'], '[]'],
  ]);
  assert.equal(hints.length, 1, hints.join('\n'));
  assert.match(hints[0]!, /cookies/);
  assert.match(hints[0]!, /CORS_CREDENTIALS|cors\.credentials/);
});

test(
  'nothing is said about cookies where they are allowed, or where no page of another origin sends them',
  LIMIT,
  async (t) => {
    const cookie = 'Cookie: session=1';
    assert.deepEqual(
      await hintsOf(t, [
        ['GET /cookies', [page, cookie]],
        ['GET /listed', [cookie]],
        ['GET /short', [cookie]],
        [
          'POST /short',
          ['Origin: http://127.0.0.1', cookie, 'Sec-Fetch-Site: same-origin', 'Content-Type: application/json'],
          '[]',
        ],
        ['GET /listed', ['Origin: http://127.0.0.1', cookie, 'Sec-Fetch-Site: same-origin']],
        ['GET /listed', [page]],
      ]),
      [],
    );
  },
);

test('the log says once per cause why a page was refused or will stumble, and what to change', LIMIT, async (t) => {
  const json = 'Content-Type: application/json';
  const requests: Sent[] = [
    ['GET /', ['Origin: https://other.example']],
    ['OPTIONS /items', [page, `${asks}-Method: PUT`, `${asks}-Headers: content-type,x-token`]],
    ['POST /items', [page, json], '{}'],
    ['POST /items', [json], '{}'],
  ];
  assert.deepEqual(await hintsOf(t, [...requests, ...requests], { origins: [origin] }), [
    'refused https://other.example: not among CORS_ORIGINS (add it there)',
    'PUT /items is not implemented (Items has doGet, doPost)',
    'x-token is not allowed (set CORS_ALLOWED_HEADERS to authorization,content-type,x-api-key,x-token)',
    'a page cannot read the Location of /items (add it to CORS_EXPOSED_HEADERS)',
  ]);
});

test('a cookie that the browser does not keep, or does not send back to this machine, is told', LIMIT, async (t) => {
  const cookie = 'GET /own-policy?cookie=a=1';
  const local: Sent = ['GET /local?cookie=a=1', ['Origin: http://localhost:5173', 'Sec-Fetch-Site: cross-site']];
  assert.deepEqual(await hintsOf(t, [['GET /listed?cookie=a=1', [page]], local, [cookie, [page]]]), [
    'a page of another origin does not keep the cookie of /listed ' +
      '(list its origin in Listed.cors.origins and set Listed.cors.credentials to true)',
    'a cookie of /local will not come back from pages on other sites (open the page under the name of this server)',
    'a page cannot read the X-Total-Count of /own-policy (add it to OwnPolicy.cors.exposedHeaders)',
    'a cookie of /own-policy will not come back from pages on other sites (set it with SameSite=None; Secure)',
  ]);
});

test('a path that no route has is told, and nothing of an empty member in a list of headers', LIMIT, async (t) => {
  const requests: Sent[] = [
    ['OPTIONS /nowhere?q', [page, `${asks}-Method: QUERY`]],
    ['OPTIONS /items', [page, `${asks}-Method: GET`, `${asks}-Headers: content-type,`]],
    ['OPTIONS /items', [page, `${asks}-Method: GET`, `${asks}-Headers: `]],
  ];
  assert.deepEqual(await hintsOf(t, requests), ['QUERY /nowhere: no route has this path']);
});

test('where a function has refused an origin, no list is named to add it to', LIMIT, async (t) => {
  assert.deepEqual(await hintsOf(t, [['GET /decides', ['Origin: https://other.example']]]), [
    'refused https://other.example: the function Decides.cors.origins does not allow it',
  ]);
});

test('a class with a policy of its own is named, and a cookie that stays behind is told', LIMIT, async (t) => {
  const requests: Sent[] = [
    ['GET /own-policy', ['Origin: https://other.example']],
    ['OPTIONS /own-policy', [page, `${asks}-Method: PUT`, `${asks}-Headers: x-token`]],
    ['GET /own-policy?cookie=a=1;+SameSite=None', [page]],
    ['GET /own-policy?cookie=a=1;+SameSite=None;+Secure', [page]],
  ];
  assert.deepEqual(await hintsOf(t, requests, { origins: '*', exposedHeaders: ['x-total-count'] }), [
    'refused https://other.example: not among OwnPolicy.cors.origins (add it there)',
    'PUT /own-policy is not among OwnPolicy.cors.methods',
    'x-token is not allowed (set OwnPolicy.cors.allowedHeaders to x-token)',
    'a page cannot read the X-Total-Count of /own-policy (add it to OwnPolicy.cors.exposedHeaders)',
    'a cookie of /own-policy will not come back from pages on other sites (set it with SameSite=None; Secure)',
  ]);
});
