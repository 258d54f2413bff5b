import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isSafelistedMethod, isSafelistedRequestHeader, unsafeRequestHeaderNames, whyPreflight,
} from '../../scripts/cors/safelists.ts';
import {
  APP, APP_HEADERS, API, FORM, allowing, anyOrigin, appWithCredentials, assertAllowed, fetching, header, kinds, sent,
} from './simulated-fetch.ts';

test('safelists only the methods GET, HEAD and POST', () => {
  assert.deepEqual(['GET', 'HEAD', 'POST'].map(isSafelistedMethod), [true, true, true]);
  assert.deepEqual(['PUT', 'DELETE', 'OPTIONS', 'get'].map(isSafelistedMethod), [false, false, false, false]);
});

test('safelists request headers up to 128 bytes, without unsafe bytes', () => {
  const safe: [string, string][] = [
    ['Accept', 'application/json'], ['accept', 'é'], ['accept', 'a'.repeat(128)], ['accept', 'a\tb'],
    ['Accept-Language', 'de-AT, en;q=0.5, *'], ['Content-Language', 'en'],
    ['Content-Type', FORM], ['Content-Type', 'multipart/form-data; boundary=x'], ['Content-Type', 'TEXT/PLAIN ;a=b'],
    ['Range', 'bytes=0-'], ['Range', 'bytes=5-5'], ['Range', 'bytes=9007199254740992-9007199254740993'],
  ];
  const unsafe: [string, string][] = [
    ['Accept', 'a'.repeat(129)], ['Accept', '"x"'], ['Accept', 'a\x01'], ['Accept', 'a\x7F'],
    ['Accept-Language', 'en_US'], ['Content-Language', 'en/x'],
    ['Content-Type', 'application/json'], ['Content-Type', 'text/plainer'], ['Content-Type', 'text/plain; charset="x"'],
    ['Content-Type', 'text/plain, application/json'], ['Content-Type', 'text /plain'], ['Content-Type', ''],
    ['Range', 'bytes=-5'], ['Range', 'bytes=6-5'], ['Range', 'bytes=9007199254740993-9007199254740992'],
    ['Range', 'bytes=0-1,3-4'], ['Range', 'bytes = 0-1'],
    ['Authorization', 'Bearer x'], ['X-Api-Key', '1'], ['Cache-Control', 'no-cache'],
  ];
  for (const pair of safe) assert.equal(isSafelistedRequestHeader(pair), true, pair.join(': '));
  for (const pair of unsafe) assert.equal(isSafelistedRequestHeader(pair), false, pair.join(': '));
});

test('returns unsafe header names sorted, in lower case and once each', () => {
  assert.deepEqual(unsafeRequestHeaderNames([['X-B', '1'], ['Accept', '*/*'], ['x-b', '2'], ['Authorization', 'x']]),
    ['authorization', 'x-b']);
});

test('treats more than 1024 bytes of safelisted values as unsafe', () => {
  const eight = Array.from({ length: 8 }, () => ['Accept', 'a'.repeat(128)] as const);
  assert.deepEqual(unsafeRequestHeaderNames(eight), []);
  assert.deepEqual(unsafeRequestHeaderNames([...eight, ['Accept-Language', 'd'], ['X-A', '']]),
    ['accept', 'accept-language', 'x-a']);
});

test('names the method, the headers and the content type that need a preflight', () => {
  assert.equal(whyPreflight({ method: 'POST', headers: [['Content-Type', 'text/plain']] }), undefined);
  const why = whyPreflight({ method: 'PUT', headers: [['Content-Type', 'application/json'], ['X-Api-Key', 'k']] });
  assert.match(why ?? '', /PUT.*content-type: application\/json, x-api-key/);
});

test('sends the method and the sorted header names in a preflight, and nothing else', async () => {
  const headers = [['X-Api-Key', 'k'], ['Authorization', 'b'], ['X-A', '1']] as const;
  const verdict = await fetching(
    { method: 'PUT', headers, body: 'x', credentials: 'include' },
    [allowing('PUT', 'authorization,x-a, X-API-KEY', APP_HEADERS), appWithCredentials]);
  assertAllowed(verdict);
  assert.deepEqual(kinds(verdict), ['preflight', 'request']);
  assert.deepEqual(sent(verdict, 0), {
    method: 'OPTIONS',
    url: API,
    headers: [
      ['Accept', '*/*'], ['Access-Control-Request-Method', 'PUT'],
      ['Access-Control-Request-Headers', 'authorization,x-a,x-api-key'], ['Origin', APP],
      ['Sec-Fetch-Dest', 'empty'], ['Sec-Fetch-Mode', 'cors'], ['Sec-Fetch-Site', 'cross-site'],
    ],
    credentials: false,
  });
  assert.match(verdict.exchanges[0]?.why ?? '', /PUT/);
  assert.equal(sent(verdict, 1).credentials, true);
  assert.equal(header(sent(verdict, 1), 'X-Api-Key'), 'k');
});

test('omits Access-Control-Request-Headers if only the method needs a preflight', async () => {
  const verdict = await fetching({ method: 'DELETE' }, [allowing('DELETE'), anyOrigin]);
  assertAllowed(verdict);
  assert.equal(header(sent(verdict, 0), 'Access-Control-Request-Headers'), undefined);
});
