import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANY_HEADERS, APP, APP_HEADERS, anyOrigin, assertAllowed, fetching, respond } from './simulated-fetch.ts';

const RESPONSE = {
  'Content-Type': 'text/plain', ETag: '"1"', 'X-Total': '5', 'Set-Cookie': ['a=1', 'b=2'], 'set-cookie2': 'c',
};

test('lets a page read the safelisted and the exposed response headers', async () => {
  const seven = [
    'cache-control', 'content-language', 'content-length', 'content-type', 'expires', 'last-modified', 'pragma',
  ];
  const upperCase = Object.fromEntries(seven.map((name) => [name.toUpperCase(), '0']));
  const all = respond(200, { ...ANY_HEADERS, 'X-Total': '5', ...upperCase });
  assert.deepEqual((await fetching({}, [all])).readableHeaders, seven);
  const exposing = respond(
    200,
    { ...ANY_HEADERS, ...RESPONSE, 'Access-Control-Expose-Headers': ['etag', 'X-Missing'] },
  );
  assert.deepEqual((await fetching({}, [exposing])).readableHeaders, ['content-type', 'etag']);
});

test('exposes every header with *, but not with credentials', async () => {
  const headers = { ...APP_HEADERS, ...RESPONSE, 'Access-Control-Expose-Headers': '*' };
  assert.deepEqual((await fetching({}, [respond(200, headers)])).readableHeaders, [
    'access-control-allow-credentials', 'access-control-allow-origin', 'access-control-expose-headers',
    'content-type', 'etag', 'x-total',
  ]);
  const include = await fetching({ credentials: 'include' }, [respond(200, headers)]);
  assert.deepEqual(include.readableHeaders, ['content-type']);
});

test('ignores a malformed Access-Control-Expose-Headers', async () => {
  const exposing = respond(200, { ...ANY_HEADERS, ...RESPONSE, 'Access-Control-Expose-Headers': 'etag, x total' });
  const verdict = await fetching({}, [exposing]);
  assertAllowed(verdict);
  assert.deepEqual(verdict.readableHeaders, ['content-type']);
});

test('never lets a page read Set-Cookie', async () => {
  const exposing = respond(
    200,
    { ...ANY_HEADERS, ...RESPONSE, 'Access-Control-Expose-Headers': 'set-cookie, Set-Cookie2' },
  );
  assert.deepEqual((await fetching({}, [exposing])).readableHeaders, ['content-type']);
  const own = await fetching({ url: `${APP}/` }, [respond(200, RESPONSE)]);
  assert.deepEqual(own.readableHeaders, ['content-type', 'etag', 'x-total']);
});

test('returns the response object of performHttp', async () => {
  const response = { ...anyOrigin, body: 'hello' };
  assert.equal((await fetching({}, [response])).response, response);
});
