import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import type { CorsOptions } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { ServerProcess } from '../support/server-process.ts';

const origin = 'https://app.example.com';
const page = `Origin: ${origin}`;
const asks = 'Access-Control-Request';

/** A request line, its headers, and its body. */
type Sent = [requestLine: string, headers: string[], body?: string];

/** One process for all tests. Each list of requests gets a new server with an empty set of hints. */
const server = new ServerProcess({ after }, { log: 'text' });

/** Returns the CORS hints logged for these requests. */
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

test('does not suggest adding the origin null, which is invalid', async (t) => {
  const hints = await hintsOf(t, [
    ['GET /listed', ['Origin: null']],
    ['GET /listed', ['Origin: https://other.example']],
  ]);
  assert.equal(hints.length, 2);
  assert.match(hints[0]!, /\bnull\b.*open the page over http/);
  assert.match(hints[1]!, /https:\/\/other\.example.*\borigins\b/);
});

test('suggests SameSite=None for cross-site pages only', async (t) => {
  const cookie = 'GET /cookies?cookie=a=1';
  const about = (hints: string[]) => hints.filter((hint) => hint.includes('SameSite=None')).length;
  const from = (site: string): Sent => [cookie, [page, `Sec-Fetch-Site: ${site}`]];
  assert.equal(about(await hintsOf(t, [from('same-site'), from('same-origin')])), 0);
  assert.equal(about(await hintsOf(t, [from('same-site'), from('cross-site')])), 1);
  assert.equal(about(await hintsOf(t, [[cookie, [page]]])), 1);
});

test("does not suggest exposing headers of built-in error responses", async (t) => {
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

test('warns once about cookies sent to a policy without credentials', async (t) => {
  const cookie = 'Cookie: session=1';
  const hints = await hintsOf(t, [
    ['GET /listed', [page, cookie, 'Sec-Fetch-Site: cross-site']],
    ['GET /listed', [page, cookie, 'Sec-Fetch-Site: cross-site']],
    ['GET /listed', [page, cookie]],
  ]);
  assert.equal(hints.length, 1, hints.join('\n'));
  assert.match(hints[0]!, /cookies/);
  assert.match(hints[0]!, /credentials/i);
});

test("names the environment variable for the server's policy", async (t) => {
  const hints = await hintsOf(t, [
    ['POST /short', [page, 'Cookie: session=1', 'Content-Type: application/json'], '[]'],
  ]);
  assert.equal(hints.length, 1, hints.join('\n'));
  assert.match(hints[0]!, /cookies/);
  assert.match(hints[0]!, /CORS_CREDENTIALS|cors\.credentials/);
});

test('does not warn about cookies that are allowed or same-origin', async (t) => {
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
});

test('logs each CORS problem once, with a fix', async (t) => {
  const json = 'Content-Type: application/json';
  const requests: Sent[] = [
    ['GET /', ['Origin: https://other.example']],
    ['OPTIONS /items', [page, `${asks}-Method: PUT`, `${asks}-Headers: content-type,x-token`]],
    ['POST /items', [page, json], '{}'],
    ['POST /items', [json], '{}'],
  ];
  assert.deepEqual(await hintsOf(t, [...requests, ...requests], { origins: [origin] }), [
    'denied https://other.example: if you trust it, add it to CORS_ORIGINS',
    'PUT /items is not implemented (supported: GET, HEAD, POST, OPTIONS)',
    'headers not allowed: x-token (set CORS_ALLOWED_HEADERS to authorization,content-type,x-api-key,x-token)',
    'a page cannot read the location of /items (add it to CORS_EXPOSED_HEADERS)',
  ]);
});

test('warns about cookies that the browser will discard or not send back', async (t) => {
  const cookie = 'GET /own-policy?cookie=a=1';
  assert.deepEqual(await hintsOf(t, [['GET /listed?cookie=a=1', [page]], [cookie, [page]]]), [
    'a page of another origin can neither send nor keep cookies of /listed ' +
      '(list its origin in Listed.cors.origins and set Listed.cors.credentials to true, or fetch without cookies)',
    'a page cannot read the x-total-count of /own-policy (add it to OwnPolicy.cors.exposedHeaders)',
    'a cookie of /own-policy will not come back from pages on other sites ' +
      '(set it with SameSite=None; Secure; Partitioned, or open the page under the host name of this server)',
  ]);
});

test('reports methods that no path supports, and ignores empty members of header lists', async (t) => {
  const requests: Sent[] = [
    ['OPTIONS /nowhere?q', [page, `${asks}-Method: QUERY`]],
    ['OPTIONS /items', [page, `${asks}-Method: GET`, `${asks}-Headers: content-type,`]],
    ['OPTIONS /items', [page, `${asks}-Method: GET`, `${asks}-Headers: `]],
  ];
  assert.deepEqual(await hintsOf(t, requests), [
    'QUERY * is not implemented (supported: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS)',
  ]);
});

test('names the option of the class if its predicate denied the origin', async (t) => {
  assert.deepEqual(await hintsOf(t, [['GET /decides', ['Origin: https://other.example']]]), [
    'denied https://other.example: if you trust it, add it to Decides.cors.origins',
  ]);
});

test('names the class if it has its own policy', async (t) => {
  const requests: Sent[] = [
    ['GET /own-policy', ['Origin: https://other.example']],
    ['OPTIONS /own-policy', [page, `${asks}-Method: PUT`, `${asks}-Headers: x-token`]],
    ['GET /own-policy?cookie=a=1;+SameSite=None', [page]],
    ['GET /own-policy?cookie=a=1;+SameSite=None;+Secure', [page]],
  ];
  assert.deepEqual(await hintsOf(t, requests, { origins: '*', exposedHeaders: ['x-total-count'] }), [
    'denied https://other.example: if you trust it, add it to OwnPolicy.cors.origins',
    'PUT /own-policy is not in OwnPolicy.cors.methods',
    'headers not allowed: x-token (set OwnPolicy.cors.allowedHeaders to x-token)',
    'a page cannot read the x-total-count of /own-policy (add it to OwnPolicy.cors.exposedHeaders)',
    'a cookie of /own-policy will not come back from pages on other sites ' +
      '(set it with SameSite=None; Secure; Partitioned, or open the page under the host name of this server)',
  ]);
});

test('gives no hints about requests of the same origin', async (t) => {
  const own = 'Origin: http://127.0.0.1';
  const requests: Sent[] = [
    ['POST /items', [own, 'Sec-Fetch-Site: same-origin', 'Content-Type: application/json'], '{}'],
    ['GET /own-policy', [own, 'Sec-Fetch-Site: same-origin']],
    ['GET /listed', [own, 'Cookie: session=1']],
    ['GET /listed?cookie=a=1', [own]],
  ];
  assert.deepEqual(await hintsOf(t, requests), []);
});

test('does not suggest exposing a header if all headers are exposed', async (t) => {
  const post: Sent = ['POST /items', [page, 'Content-Type: application/json'], '{}'];
  assert.deepEqual(await hintsOf(t, [post], { origins: '*', exposedHeaders: ['*'] }), []);
});

test('corrects a method in lower case, and a header that belongs in the response', async (t) => {
  const requests: Sent[] = [
    ['OPTIONS /items', [page, `${asks}-Method: post`]],
    ['OPTIONS /items', [page, `${asks}-Method: POST`, `${asks}-Headers: access-control-allow-origin`]],
  ];
  assert.deepEqual(await hintsOf(t, requests), [
    'post /items is not implemented (write POST: methods are case-sensitive)',
    'the server sends access-control-allow-origin: leave it out of fetch()',
  ]);
});
