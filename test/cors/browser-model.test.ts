import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  type BlockedReason, type FetchOptions, type HttpRequest, type HttpResponse, type PageRequest, type Verdict,
  fetchAsPage,
} from '../../scripts/cors/browser-model.ts';
import { PreflightCache } from '../../scripts/cors/preflight-cache.ts';
import {
  isForbiddenRequestHeader, isSafelistedMethod, isSafelistedRequestHeader, normaliseMethod, unsafeRequestHeaderNames,
  whyPreflight,
} from '../../scripts/cors/safelists.ts';

const APP = 'https://app.example.com';
const API = 'https://api.example.net/notes';
const OTHER = 'https://other.example.org/here';
const FORM = 'application/x-www-form-urlencoded';

/** A server's answer; a header with an array stands there once for each value. */
function answer(status: number, headers: Record<string, string | string[]> = {}): HttpResponse {
  const pairs = Object.entries(headers)
    .flatMap(([name, values]) => [values].flat().map((value) => [name, value] as const));
  return { status, headers: pairs };
}

/** Fetches from APP to API, with these answers in order; one too few fails as a network error would. */
function fetching(page: Partial<PageRequest>, answers: HttpResponse[] = [], options?: FetchOptions): Promise<Verdict> {
  const left = [...answers];
  const performHttp = async () => left.shift() ?? Promise.reject(new Error('no answer left'));
  return fetchAsPage({ origin: APP, url: API, ...page }, performHttp, options);
}

/** A preflight's answer with these lists. */
function allowing(methods: string | string[] = [], headers: string | string[] = [], grant = ANY): HttpResponse {
  return answer(204, { ...grant, 'Access-Control-Allow-Methods': methods, 'Access-Control-Allow-Headers': headers });
}

const kinds = (verdict: Verdict) => verdict.exchanges.map(({ kind }) => kind);

function sent(verdict: Verdict, index: number): HttpRequest {
  const exchange = verdict.exchanges[index];
  assert.ok(exchange, `nothing was sent as number ${index}`);
  return exchange.request;
}

function header({ headers }: HttpRequest, name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

function assertAllowed(verdict: Verdict): void {
  assert.equal(verdict.blocked?.detail, undefined);
  assert.equal(verdict.allowed, true);
}

function assertBlocked(verdict: Verdict, reason: BlockedReason, section: string, detail = /./): void {
  assert.equal(verdict.allowed, false);
  assert.equal(verdict.response, undefined);
  assert.equal(verdict.readableHeaders, undefined);
  assert.equal(verdict.blocked?.reason, reason);
  assert.equal(verdict.blocked?.section, `Fetch, ${section}`);
  assert.match(verdict.blocked?.detail ?? '', detail);
}

const CONSTRUCTOR = 'Request constructor, step';
const CHECK = 'CORS check, step';
const PREFLIGHT = 'CORS-preflight fetch, step';
const REDIRECT = 'HTTP-redirect fetch, step';

const ANY: Record<string, string> = { 'Access-Control-Allow-Origin': '*' };
const GRANT = { 'Access-Control-Allow-Origin': APP, 'Access-Control-Allow-Credentials': 'true' };
const anyone = answer(200, ANY);
const granted = answer(200, GRANT);
const named = answer(200, { 'Access-Control-Allow-Origin': APP });

test('the model imports nothing but its own parts, so that a web page can load it', () => {
  const folder = new URL('../../scripts/cors/', import.meta.url);
  const names = ['browser-model.ts'];
  for (const name of names) {
    const source = readFileSync(new URL(name, folder), 'utf8');
    assert.doesNotMatch(source, /\bimport\(|\brequire\(|\bprocess\b|\bBuffer\b|node:/m, name);
    const imported = [...source.matchAll(/^(?:import|\} from)\b.*'(.*)';$/gm)].map(([, from]) => from!);
    for (const from of imported) {
      assert.match(from, /^\.\/[\w-]+\.ts$/, name);
      if (!names.includes(from.slice(2))) names.push(from.slice(2));
    }
  }
  assert.deepEqual(names.toSorted(), [
    'browser-model.ts', 'header-list.ts', 'network-access.ts', 'preflight-cache.ts', 'safelists.ts',
  ]);
});

// ---- Same origin and cross origin ----

test('a request to the page’s own origin needs no CORS header in the answer', async () => {
  const page = { url: `${APP}/notes`, method: 'DELETE', headers: [['X-Api-Key', '1']] as const };
  const verdict = await fetching(page, [answer(204)]);
  assertAllowed(verdict);
  assert.deepEqual(kinds(verdict), ['request']);
  assert.match(verdict.exchanges[0]?.why ?? '', /same origin/);
});

test('scheme, host and port each make another origin', async () => {
  for (const url of ['https://app.example.org/', 'https://app.example.com:8443/']) {
    assertBlocked(await fetching({ url }, [answer(200)]), 'origin-missing', `${CHECK} 2`);
  }
  const plain = { origin: 'http://app.example.com', url: `${APP}/` };
  assertBlocked(await fetching(plain, [answer(200)]), 'origin-missing', `${CHECK} 2`);
  assertAllowed(await fetching({ url: 'https://app.example.com:443/' }, [answer(200)]));
});

test('a page in an opaque origin is same-origin with nothing and sends Origin: null', async () => {
  const verdict = await fetching({ origin: 'null' }, [answer(200, { 'Access-Control-Allow-Origin': 'null' })]);
  assertAllowed(verdict);
  assert.equal(header(sent(verdict, 0), 'Origin'), 'null');
  assertBlocked(await fetching({ origin: 'null' }, [answer(200)]), 'origin-missing', `${CHECK} 2`);
});

test('a page’s origin that no browser writes that way is the caller’s mistake, not the server’s', async () => {
  for (const origin of [`${APP}/`, 'https://app.example.com:443', 'HTTPS://app.example.com', 'app.example.com', '']) {
    await assert.rejects(fetching({ origin }, [anyone]), TypeError, origin);
  }
  assertAllowed(await fetching({ origin: 'capacitor://localhost' }, [anyone]));
});

test('Origin goes to every other origin, and to the own one unless the method is GET or HEAD', async () => {
  assert.equal(header(sent(await fetching({}, [anyone]), 0), 'Origin'), APP);
  const own = { url: `${APP}/` };
  assert.equal(header(sent(await fetching(own, [answer(200)]), 0), 'Origin'), undefined);
  assert.equal(header(sent(await fetching({ ...own, method: 'HEAD' }, [answer(200)]), 0), 'Origin'), undefined);
  assert.equal(header(sent(await fetching({ ...own, method: 'POST' }, [answer(200)]), 0), 'Origin'), APP);
});

test('credentials go to any origin with include, to the own one with same-origin, to none with omit', async () => {
  const own = { url: `${APP}/` };
  const flag = async (page: Partial<PageRequest>) => sent(await fetching(page, [granted]), 0).credentials;
  assert.equal(await flag({}), false);
  assert.equal(await flag(own), true);
  assert.equal(await flag({ credentials: 'include' }), true);
  assert.equal(await flag({ ...own, credentials: 'omit' }), false);
});

test('Sec-Fetch-Site tells same-origin, same-site and cross-site apart', async () => {
  const site = async (url: string, origin = APP) =>
    header(sent(await fetching({ origin, url }, [anyone]), 0), 'Sec-Fetch-Site');
  assert.equal(await site(`${APP}/`), 'same-origin');
  assert.equal(await site('https://api.example.com/'), 'same-site');
  assert.equal(await site('https://app.example.com:8443/'), 'same-site');
  assert.equal(await site(API), 'cross-site');
  assert.equal(await site('http://localhost:8000/', 'http://localhost:3000'), 'same-site');
  assert.equal(await site('http://localhost:8000/', 'https://localhost:3000'), 'cross-site');
  assert.equal(await site('http://127.0.0.1:8000/', 'http://10.0.0.1'), 'cross-site');
  assert.equal(await site('https://[::1]/', 'null'), 'cross-site');
  const detour = await fetching({}, [redirect('https://api.example.com/'), anyone]);
  assert.equal(header(sent(detour, 1), 'Sec-Fetch-Site'), 'cross-site');
});

test('Sec-Fetch-* go to https: and to this machine only', async () => {
  const origin = 'http://192.168.0.2';
  const mode = async (url: string) => header(sent(await fetching({ origin, url }, [anyone]), 0), 'Sec-Fetch-Mode');
  for (const url of [API, 'http://localhost:8000/', 'http://127.0.0.1/', 'http://[::1]/']) {
    assert.equal(await mode(url), 'cors');
  }
  for (const url of ['http://api.example.net/', 'http://192.168.0.1/']) assert.equal(await mode(url), undefined);
});

test('the URL goes out without its fragment', async () => {
  assert.equal(sent(await fetching({ url: `${API}?q=1#here` }, [anyone]), 0).url, `${API}?q=1`);
});

// ---- What the page is refused before anything is sent ----

test('fetch() refuses a URL that is relative, has a password or is not http', async () => {
  assertBlocked(await fetching({ url: '/notes' }), 'invalid-url', `${CONSTRUCTOR} 5.2`);
  assertBlocked(await fetching({ url: 'https://me:pw@api.example.net/' }), 'url-credentials', `${CONSTRUCTOR} 5.3`);
  assertBlocked(await fetching({ url: 'ftp://api.example.net/' }), 'url-scheme', 'main fetch, step 12');
});

test('fetch() refuses CONNECT, TRACE and TRACK in any case, and what is no method', async () => {
  for (const method of ['CONNECT', 'TRACE', 'track']) {
    const verdict = await fetching({ method });
    assertBlocked(verdict, 'forbidden-method', `${CONSTRUCTOR} 25.2`);
    assert.deepEqual(verdict.exchanges, []);
    assert.equal(verdict.blocked?.during, 'page');
    assert.equal(verdict.blocked?.name, method);
  }
  for (const method of ['', 'GET POST', 'DÉLETE']) {
    assertBlocked(await fetching({ method }), 'invalid-method', `${CONSTRUCTOR} 25.2`);
  }
});

test('get is made GET, but patch stays patch', async () => {
  for (const method of ['delete', 'Get', 'head', 'options', 'post', 'PuT']) {
    assert.equal(normaliseMethod(method), method.toUpperCase());
  }
  for (const method of ['patch', 'Query', 'PATCH']) assert.equal(normaliseMethod(method), method);
  assert.equal(sent(await fetching({ method: 'post' }, [anyone]), 0).method, 'POST');
});

test('a GET or HEAD with a body is refused, a POST with one is not', async () => {
  assertBlocked(await fetching({ body: '' }), 'body-not-allowed', `${CONSTRUCTOR} 35`);
  assertBlocked(await fetching({ method: 'head', body: 'x' }), 'body-not-allowed', `${CONSTRUCTOR} 35`);
  const verdict = await fetching({ method: 'POST', body: 'x' }, [anyone]);
  assertAllowed(verdict);
  assert.equal(sent(verdict, 0).body, 'x');
});

test('a header that is no header is refused, whitespace around a value is not', async () => {
  for (const pair of [['a b', '1'], ['', '1'], ['x', 'a\nb'], ['x', 'a\0'], ['x', '☃']] as const) {
    assertBlocked(await fetching({ headers: [pair] }), 'invalid-header', 'Headers, validate, step 1');
  }
  assert.equal(header(sent(await fetching({ headers: [['Accept', ' a/b\r\n']] }, [anyone]), 0), 'Accept'), 'a/b');
});

test('forbidden request headers are dropped without a word', async () => {
  const names = ['Cookie', 'HOST', 'Proxy-Authorization', 'Sec-Anything', 'Access-Control-Request-Method', 'TE'];
  const headers = [...names, 'Origin'].map((name) => [name, 'x'] as const);
  const verdict = await fetching({ headers }, [anyone]);
  assertAllowed(verdict);
  assert.deepEqual(kinds(verdict), ['request']);
  assert.equal(header(sent(verdict, 0), 'Origin'), APP);
  for (const name of names) assert.equal(header(sent(verdict, 0), name), undefined, name);
});

test('method overrides are forbidden only with a forbidden method', () => {
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method-Override', 'PUT, trace']), true);
  assert.equal(isForbiddenRequestHeader(['x-method-override', 'TRACK']), true);
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method', 'DELETE']), false);
  assert.equal(isForbiddenRequestHeader(['X-Other', 'TRACE']), false);
});

test('a comma within a quoted string of a method override separates nothing', () => {
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method', '"a,TRACE,b"']), false);
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method', '"TRACE"']), false);
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method', '"a\\",b" , TRACE']), true);
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method', 'a,TRACE,"b']), true);
});

test('a string body without a type is text/plain, and the author’s own type stays', async () => {
  const plain = await fetching({ method: 'POST', body: '{}' }, [anyone]);
  assert.equal(header(sent(plain, 0), 'Content-Type'), 'text/plain;charset=UTF-8');
  assert.deepEqual(kinds(plain), ['request']);
  const form = await fetching({ method: 'POST', body: 'a=1', headers: [['content-type', FORM]] }, [anyone]);
  assert.deepEqual(sent(form, 0).headers.filter(([name]) => /content-type/i.test(name)), [['content-type', FORM]]);
});

test('Accept is */* unless the page sets it', async () => {
  assert.equal(header(sent(await fetching({}, [anyone]), 0), 'Accept'), '*/*');
  const set = sent(await fetching({ headers: [['accept', 'text/csv']] }, [anyone]), 0);
  assert.deepEqual(set.headers.filter(([name]) => /^accept$/i.test(name)), [['accept', 'text/csv']]);
});

// ---- Which requests need a preflight ----

test('GET, HEAD and POST are safelisted methods, and nothing else', () => {
  assert.deepEqual(['GET', 'HEAD', 'POST'].map(isSafelistedMethod), [true, true, true]);
  assert.deepEqual(['PUT', 'DELETE', 'OPTIONS', 'get'].map(isSafelistedMethod), [false, false, false, false]);
});

test('safelisted request headers are safe up to 128 bytes and with harmless bytes only', () => {
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

test('unsafe names come sorted, in lower case and once each', () => {
  assert.deepEqual(unsafeRequestHeaderNames([['X-B', '1'], ['Accept', '*/*'], ['x-b', '2'], ['Authorization', 'x']]),
    ['authorization', 'x-b']);
});

test('more than 1024 bytes of safelisted values make them all unsafe', () => {
  const eight = Array.from({ length: 8 }, () => ['Accept', 'a'.repeat(128)] as const);
  assert.deepEqual(unsafeRequestHeaderNames(eight), []);
  assert.deepEqual(unsafeRequestHeaderNames([...eight, ['Accept-Language', 'd'], ['X-A', '']]),
    ['accept', 'accept-language', 'x-a']);
});

test('a preflight’s reason names the method and the headers, and shows a content type', () => {
  assert.equal(whyPreflight({ method: 'POST', headers: [['Content-Type', 'text/plain']] }), undefined);
  const why = whyPreflight({ method: 'PUT', headers: [['Content-Type', 'application/json'], ['X-Api-Key', 'k']] });
  assert.match(why ?? '', /PUT.*content-type: application\/json, x-api-key/);
});

test('a preflight asks by method and sorted names, and carries neither credentials nor what the page set', async () => {
  const headers = [['X-Api-Key', 'k'], ['Authorization', 'b'], ['X-A', '1']] as const;
  const verdict = await fetching(
    { method: 'PUT', headers, body: 'x', credentials: 'include' },
    [allowing('PUT', 'authorization,x-a, X-API-KEY', GRANT), granted]);
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

test('a preflight for a method alone has no Access-Control-Request-Headers', async () => {
  const verdict = await fetching({ method: 'DELETE' }, [allowing('DELETE'), anyone]);
  assertAllowed(verdict);
  assert.equal(header(sent(verdict, 0), 'Access-Control-Request-Headers'), undefined);
});

// ---- The CORS check ----

test('an answer is for the page if its Access-Control-Allow-Origin is * or the origin to the letter', async () => {
  assertAllowed(await fetching({}, [anyone]));
  assertAllowed(await fetching({}, [answer(404, { 'access-control-allow-origin': APP })]));
  for (const value of [`${APP}/`, 'HTTPS://app.example.com', 'app.example.com', 'null', '', 'https://*.example.com']) {
    const verdict = await fetching({}, [answer(200, { 'Access-Control-Allow-Origin': value })]);
    assertBlocked(verdict, 'origin-mismatch', `${CHECK} 4`, /https:\/\/app\.example\.com/);
    assert.equal(verdict.blocked?.during, 'request');
  }
});

test('an answer without Access-Control-Allow-Origin is not for the page', async () => {
  const verdict = await fetching({}, [answer(200, { 'Access-Control-Allow-Credentials': 'true' })]);
  assertBlocked(verdict, 'origin-missing', `${CHECK} 2`, /status 200.*no Access-Control-Allow-Origin/);
  assert.equal(verdict.exchanges[0]?.response?.status, 200);
});

test('two Access-Control-Allow-Origin are one too many, even if they agree', async () => {
  for (const value of [[APP, APP], ['*', '*'], [APP, '*'], [`${APP},https://b.example`]]) {
    const verdict = await fetching({}, [answer(200, { 'Access-Control-Allow-Origin': value })]);
    assertBlocked(verdict, 'origin-multiple', `${CHECK} 4`);
  }
});

test('* is ignored with credentials, and counts without', async () => {
  const star = answer(200, { ...ANY, 'Access-Control-Allow-Credentials': 'true' });
  assertBlocked(await fetching({ credentials: 'include' }, [star]), 'wildcard-with-credentials', `${CHECK} 4`);
  assertAllowed(await fetching({ credentials: 'omit' }, [star]));
  assertAllowed(await fetching({ credentials: 'same-origin' }, [star]));
});

test('with credentials, Access-Control-Allow-Credentials has to be true, in lower case and once', async () => {
  assertAllowed(await fetching({ credentials: 'include' }, [granted]));
  for (const value of [[], 'True', 'false', ['true', 'true']]) {
    const response = answer(200, { 'Access-Control-Allow-Origin': APP, 'Access-Control-Allow-Credentials': value });
    assertBlocked(await fetching({ credentials: 'include' }, [response]), 'credentials-not-allowed', `${CHECK} 8`);
    assertAllowed(await fetching({}, [response]));
  }
});

test('no answer at all is a network error that says what happened', async () => {
  const verdict = await fetching({});
  assertBlocked(verdict, 'network-error', 'HTTP-network fetch', /no answer left/);
  assert.equal(verdict.exchanges.length, 1);
  assert.equal(verdict.exchanges[0]?.response, undefined);
});

// ---- The preflight's answer ----

test('a preflight’s answer has to pass the CORS check with the request’s own credentials mode', async () => {
  const page = { method: 'DELETE', credentials: 'include' } as const;
  assertAllowed(await fetching(page, [allowing('DELETE', undefined, GRANT), granted]));
  const without = allowing('DELETE', undefined, { 'Access-Control-Allow-Origin': APP });
  const verdict = await fetching(page, [without, granted]);
  assertBlocked(verdict, 'credentials-not-allowed', `${CHECK} 8`, /preflight/);
  assert.equal(verdict.blocked?.during, 'preflight');
  assert.deepEqual(kinds(verdict), ['preflight']);
  assertBlocked(await fetching({ method: 'DELETE' }, [allowing('DELETE', undefined, {}), granted]),
    'origin-missing', `${CHECK} 2`, /status 204/);
});

test('a preflight’s status has to be from 200 to 299', async () => {
  const allow = { ...ANY, 'Access-Control-Allow-Methods': 'DELETE' };
  for (const status of [200, 204, 299]) {
    assertAllowed(await fetching({ method: 'DELETE' }, [answer(status, allow), anyone]));
  }
  for (const status of [199, 304, 401, 403, 404, 405, 500]) {
    const verdict = await fetching({ method: 'DELETE' }, [answer(status, allow), anyone]);
    assertBlocked(verdict, 'preflight-status', `${PREFLIGHT} 7`, new RegExp(`${status}`));
  }
});

test('a preflight follows no redirect', async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    const verdict = await fetching({ method: 'DELETE' }, [answer(status, { ...ANY, Location: `${API}/` }), anyone]);
    assertBlocked(verdict, 'preflight-redirect', `${PREFLIGHT} 7`);
    assert.deepEqual(kinds(verdict), ['preflight']);
  }
});

test('a list that is no list of tokens blocks, empty elements and several lines do not', async () => {
  const page = { method: 'PUT', headers: [['X-A', '1']] as const };
  for (const methods of ['PUT;', 'PUT DELETE', '"PUT"', ['PUT', '(']]) {
    assertBlocked(await fetching(page, [allowing(methods, 'x-a'), anyone]), 'malformed-allow-list', `${PREFLIGHT} 7.3`);
  }
  const verdict = await fetching(page, [allowing('PUT', 'x-a, x a'), anyone]);
  assertBlocked(verdict, 'malformed-allow-list', `${PREFLIGHT} 7.3`, /x-a, x a/);
  assert.equal(verdict.blocked?.name, 'Access-Control-Allow-Headers');
  assertAllowed(await fetching(page, [allowing(['GET', ' ,PUT\t,'], ['', 'x-a,,x-b']), anyone]));
});

test('a method has to be listed, in the same case', async () => {
  assertAllowed(await fetching({ method: 'PATCH' }, [allowing('GET, PATCH'), anyone]));
  for (const [method, list] of [['PATCH', 'GET, PUT'], ['patch', 'PATCH'], ['PUT', undefined], ['PUT', '']] as const) {
    const verdict = await fetching({ method }, [allowing(list), anyone]);
    const detail = new RegExp(`${method} .*only ${list || 'none'}`);
    assertBlocked(verdict, 'method-not-allowed', `${PREFLIGHT} 7.5`, detail);
    assert.equal(verdict.blocked?.name, method);
    assert.equal(verdict.blocked?.during, 'preflight');
  }
});

test('a safelisted method need not be listed', async () => {
  assertAllowed(await fetching({ method: 'POST', headers: [['X-A', '1']] }, [allowing(undefined, 'x-a'), anyone]));
});

test('* allows any method, but not with credentials', async () => {
  assertAllowed(await fetching({ method: 'PUT' }, [allowing('*'), anyone]));
  const include = { method: 'PUT', credentials: 'include' } as const;
  const verdict = await fetching(include, [allowing('*', undefined, GRANT), granted]);
  assertBlocked(verdict, 'method-not-allowed', `${PREFLIGHT} 7.5`, /not a wildcard/);
  assertAllowed(await fetching({ method: '*', credentials: 'include' }, [allowing('*', undefined, GRANT), granted]));
});

test('every unsafe header has to be listed, in any case', async () => {
  const page = { headers: [['X-A', '1'], ['X-B', '1']] as const };
  assertAllowed(await fetching(page, [allowing(undefined, 'X-B, x-a'), anyone]));
  const verdict = await fetching(page, [allowing(undefined, 'X-A'), anyone]);
  assertBlocked(verdict, 'header-not-allowed', `${PREFLIGHT} 7.7`, /x-b.*only x-a/);
  assert.equal(verdict.blocked?.name, 'x-b');
  assertBlocked(await fetching(page, [allowing(), anyone]), 'header-not-allowed', `${PREFLIGHT} 7.7`, /none/);
});

test('application/json has to be allowed as the header content-type', async () => {
  const page = { method: 'POST', headers: [['Content-Type', 'application/json']] as const, body: '{}' };
  assertAllowed(await fetching(page, [allowing(undefined, 'content-type'), anyone]));
  assert.equal((await fetching(page, [allowing(), anyone])).blocked?.name, 'content-type');
});

test('* allows any header, and none with credentials', async () => {
  assertAllowed(await fetching({ headers: [['X-A', '1']] }, [allowing(undefined, '*'), anyone]));
  const include = { headers: [['X-A', '1']] as const, credentials: 'include' as const };
  assertBlocked(await fetching(include, [allowing(undefined, '*', GRANT), granted]),
    'header-not-allowed', `${PREFLIGHT} 7.7`, /not a wildcard/);

});

test('* allows authorization in browsers only: the verdict names the step of the standard that blocks it', async () => {
  const bearer = { headers: [['Authorization', 'Bearer x']] as const };
  const verdict = await fetching(bearer, [allowing(undefined, '*'), anyone]);
  assertAllowed(verdict);
  assert.equal(verdict.tolerated?.section, `Fetch, ${PREFLIGHT} 7.6`);
  assert.equal(verdict.tolerated?.name, 'authorization');
  const named = await fetching(bearer, [allowing(undefined, '*, Authorization'), anyone]);
  assertAllowed(named);
  assert.equal(named.tolerated, undefined);
  const include = { ...bearer, credentials: 'include' as const };
  assertBlocked(await fetching(include, [allowing(undefined, '*', GRANT), granted]),
    'header-not-allowed', `${PREFLIGHT} 7.6`);
});

test('the answer to the request itself is checked again after a preflight that passed', async () => {
  const verdict = await fetching({ method: 'DELETE' }, [allowing('DELETE'), answer(200)]);
  assertBlocked(verdict, 'origin-missing', `${CHECK} 2`);
  assert.equal(verdict.blocked?.during, 'request');
});

test('preflightOnly stops before the request, whether a preflight was needed or not', async () => {
  const only = { preflightOnly: true };
  const asked = await fetching({ method: 'DELETE' }, [allowing('DELETE'), anyone], only);
  assertAllowed(asked);
  assert.deepEqual(kinds(asked), ['preflight']);
  assert.equal(asked.response, undefined);
  const refused = await fetching({ method: 'DELETE' }, [allowing('PUT')], only);
  assertBlocked(refused, 'method-not-allowed', `${PREFLIGHT} 7.5`);
  const unasked = await fetching({ method: 'POST' }, [], only);
  assertAllowed(unasked);
  assert.deepEqual(unasked.exchanges, []);
});

// ---- The preflight cache ----

/** A cache, the hand of its clock, and a fetch that says whether it took a preflight. */
function remembering(maxAge: string | string[] = []) {
  const clock = { now: 1_000_000 };
  const cache = new PreflightCache(() => clock.now);
  const asks = async (page: Partial<PageRequest> = {}, final = granted) => {
    const grant = { ...GRANT, 'Access-Control-Allow-Origin': page.origin ?? APP };
    const preflight = allowing('DELETE, PUT', 'x-a, authorization', grant);
    const maxAgeHeaders = [maxAge].flat().map((value) => ['Access-Control-Max-Age', value] as const);
    const first = { ...preflight, headers: [...preflight.headers, ...maxAgeHeaders] };
    const performHttp = async (request: HttpRequest) => (request.method === 'OPTIONS' ? first : final);
    const verdict = await fetchAsPage({ origin: APP, url: API, method: 'DELETE', ...page }, performHttp, { cache });
    return kinds(verdict).includes('preflight');
  };
  return { clock, asks };
}

test('a preflight is remembered for five seconds unless the server says otherwise', async () => {
  const { clock, asks } = remembering();
  assert.equal(await asks(), true);
  clock.now += 4_999;
  assert.equal(await asks(), false);
  clock.now += 1;
  assert.equal(await asks(), true);
});

test('a preflight is remembered for Access-Control-Max-Age seconds, and no longer than two hours', async () => {
  for (const [value, seconds] of [['60', 60], ['86400', 7200], ['1e3', 5], ['-1s', 5], [['60', '60'], 5]] as const) {
    const { clock, asks } = remembering([value].flat());
    await asks();
    clock.now += seconds * 1000 - 1;
    assert.equal(await asks(), false, `${value}, just before`);
    clock.now += 1;
    assert.equal(await asks(), true, `${value}, just after`);
  }
});

test('with a max age of 0 or less nothing is remembered', async () => {
  for (const maxAge of ['0', '-1']) {
    const { asks } = remembering(maxAge);
    assert.equal(await asks(), true, maxAge);
    assert.equal(await asks(), true, maxAge);
  }
});

test('a remembered preflight allows every method and header it listed, and nothing else', async () => {
  const asksAgain = async (page: Partial<PageRequest>) => {
    const { asks } = remembering('60');
    await asks();
    return asks(page);
  };
  assert.equal(await asksAgain({ method: 'PUT', headers: [['X-A', '1'], ['Authorization', 'b']] }), false);
  assert.equal(await asksAgain({ method: 'GET', headers: [['X-A', '1']] }), false);
  assert.equal(await asksAgain({ method: 'PATCH' }), true);
  assert.equal(await asksAgain({ method: 'x-a' }), true);
  assert.equal(await asksAgain({ headers: [['X-B', '1']] }), true);
});

test('a preflight is remembered for one origin and one URL', async () => {
  const { asks } = remembering('60');
  await asks();
  assert.equal(await asks({ url: `${API}?page=2` }), true);
  assert.equal(await asks({ origin: 'https://b.example' }), true);
  assert.equal(await asks({ url: `${API}#fragment` }), false);
});

test('a preflight without credentials is not remembered for a request with them, but the other way round', async () => {
  const without = remembering('60');
  await without.asks();
  assert.equal(await without.asks({ credentials: 'include' }), true);
  const withThem = remembering('60');
  await withThem.asks({ credentials: 'include' });
  assert.equal(await withThem.asks(), false);
});

test('a remembered * stands for any method and any header but authorization, in browsers as well', async () => {
  const cache = new PreflightCache(() => 0);
  assertAllowed(await fetching({ method: 'PUT' }, [allowing('*', '*'), anyone], { cache }));
  const again = await fetching({ method: 'DELETE', headers: [['X-B', '1']] }, [anyone], { cache });
  assertAllowed(again);
  assert.match(again.exchanges[0]?.why ?? '', /still cached/);
  const bearer = await fetching({ headers: [['Authorization', 'b']] }, [answer(500)], { cache });
  assert.deepEqual(kinds(bearer), ['preflight']);
});

test('a remembered * that came with credentials stands for nothing but itself', async () => {
  const cache = new PreflightCache(() => 0);
  const page = { method: 'PUT', credentials: 'include' } as const;
  assertAllowed(await fetching(page, [allowing('*, PUT', undefined, GRANT), granted], { cache }));
  assert.deepEqual(kinds(await fetching({ method: 'DELETE' }, [answer(500)], { cache })), ['preflight']);
});

test('a newer preflight’s max age replaces the older one’s', async () => {
  const cache = new PreflightCache(() => 0);
  const aged = (headers: string, seconds: string) =>
    allowing('PUT', headers, { ...ANY, 'Access-Control-Max-Age': seconds });
  assertAllowed(await fetching({ method: 'PUT' }, [aged('', '60'), anyone], { cache }));
  assertAllowed(await fetching({ method: 'PUT', headers: [['X-A', '1']] }, [aged('x-a', '0'), anyone], { cache }));
  assert.deepEqual(kinds(await fetching({ method: 'PUT' }, [answer(500)], { cache })), ['preflight']);
});

test('a request that fails makes the browser forget the preflight', async () => {
  const { asks } = remembering('60');
  await asks({ url: `${API}/other` });
  await asks();
  assert.equal(await asks({}, answer(200)), false);
  assert.equal(await asks(), true);
  assert.equal(await asks({ url: `${API}/other` }), false);
});

test('a failing request that needs no preflight leaves the remembered one alone', async () => {
  const { asks } = remembering('60');
  await asks();
  assert.equal(await asks({ method: 'GET' }, answer(200)), false);
  assert.equal(await asks(), false);
});

test('without a cache of the caller’s nothing is remembered between two fetches', async () => {
  for (const _ of [1, 2]) {
    assert.deepEqual(kinds(await fetching({ method: 'PUT' }, [allowing('PUT'), anyone])), ['preflight', 'request']);
  }
});

// ---- What the page can read ----

const RESPONSE = {
  'Content-Type': 'text/plain', ETag: '"1"', 'X-Total': '5', 'Set-Cookie': ['a=1', 'b=2'], 'set-cookie2': 'c',
};

test('a page reads the safelisted headers and those that are exposed', async () => {
  const seven = [
    'cache-control', 'content-language', 'content-length', 'content-type', 'expires', 'last-modified', 'pragma',
  ];
  const upperCase = Object.fromEntries(seven.map((name) => [name.toUpperCase(), '0']));
  const all = answer(200, { ...ANY, 'X-Total': '5', ...upperCase });
  assert.deepEqual((await fetching({}, [all])).readableHeaders, seven);
  const exposing = answer(200, { ...ANY, ...RESPONSE, 'Access-Control-Expose-Headers': ['etag', 'X-Missing'] });
  assert.deepEqual((await fetching({}, [exposing])).readableHeaders, ['content-type', 'etag']);
});

test('Access-Control-Expose-Headers: * exposes all without credentials, and nothing with them', async () => {
  const headers = { ...GRANT, ...RESPONSE, 'Access-Control-Expose-Headers': '*' };
  assert.deepEqual((await fetching({}, [answer(200, headers)])).readableHeaders, [
    'access-control-allow-credentials', 'access-control-allow-origin', 'access-control-expose-headers',
    'content-type', 'etag', 'x-total',
  ]);
  const include = await fetching({ credentials: 'include' }, [answer(200, headers)]);
  assert.deepEqual(include.readableHeaders, ['content-type']);
});

test('an Access-Control-Expose-Headers that cannot be read exposes nothing, and blocks nothing', async () => {
  const exposing = answer(200, { ...ANY, ...RESPONSE, 'Access-Control-Expose-Headers': 'etag, x total' });
  const verdict = await fetching({}, [exposing]);
  assertAllowed(verdict);
  assert.deepEqual(verdict.readableHeaders, ['content-type']);
});

test('no page reads Set-Cookie, neither when it is exposed nor on its own origin', async () => {
  const exposing = answer(200, { ...ANY, ...RESPONSE, 'Access-Control-Expose-Headers': 'set-cookie, Set-Cookie2' });
  assert.deepEqual((await fetching({}, [exposing])).readableHeaders, ['content-type']);
  const own = await fetching({ url: `${APP}/` }, [answer(200, RESPONSE)]);
  assert.deepEqual(own.readableHeaders, ['content-type', 'etag', 'x-total']);
});

test('the response comes through as performHttp gave it', async () => {
  const response = { ...anyone, body: 'hello' };
  assert.equal((await fetching({}, [response])).response, response);
});

// ---- Redirects ----

function redirect(Location: string | string[], status = 302, grant = ANY): HttpResponse {
  return answer(status, { ...grant, Location });
}

test('a redirect within the own origin stays without CORS', async () => {
  const verdict = await fetching({ url: `${APP}/a` }, [redirect('/b', 302, {}), answer(200)]);
  assertAllowed(verdict);
  assert.equal(sent(verdict, 1).url, `${APP}/b`);
  assert.equal(sent(verdict, 1).credentials, true);
});

test('a redirect from the own origin to another one is CORS from there on, with the page’s origin', async () => {
  const verdict = await fetching({ url: `${APP}/a` }, [redirect(API, 302, {}), named]);
  assertAllowed(verdict);
  assert.equal(header(sent(verdict, 1), 'Origin'), APP);
  assert.equal(sent(verdict, 1).credentials, false);
  assert.match(verdict.exchanges[1]?.why ?? '', /redirected to it \(status 302\)/);
  const refused = await fetching({ url: `${APP}/a` }, [redirect(API, 302, {}), answer(200)]);
  assertBlocked(refused, 'origin-missing', `${CHECK} 2`);
});

test('a cross-origin redirect has to pass the CORS check itself', async () => {
  const verdict = await fetching({}, [redirect(`${API}/b`, 302, {}), anyone]);
  assertBlocked(verdict, 'origin-missing', `${CHECK} 2`, /status 302/);
  assert.equal(verdict.exchanges.length, 1);
});

test('a redirect from one other origin to a second makes the origin null', async () => {
  const verdict = await fetching({}, [redirect(OTHER), answer(200, { 'Access-Control-Allow-Origin': 'null' })]);
  assertAllowed(verdict);
  assert.equal(header(sent(verdict, 1), 'Origin'), 'null');
  assertBlocked(await fetching({}, [redirect(OTHER), named]), 'origin-mismatch', `${CHECK} 4`);
});

test('a redirect within another origin keeps the page’s origin', async () => {
  assertAllowed(await fetching({}, [redirect(`${API}/b`), named]));
});

test('the way back to the own origin is CORS as well, without credentials', async () => {
  const verdict = await fetching({}, [redirect(`${APP}/back`), answer(200, { 'Access-Control-Allow-Origin': 'null' })]);
  assertAllowed(verdict);
  assert.equal(header(sent(verdict, 1), 'Origin'), 'null');
  assert.equal(header(sent(verdict, 1), 'Sec-Fetch-Site'), 'cross-site');
  assert.equal(sent(verdict, 1).credentials, false);
  assertBlocked(await fetching({}, [redirect(`${APP}/back`), answer(200)]), 'origin-missing', `${CHECK} 2`);
  const back = [allowing('PUT'), redirect(`${APP}/back`, 307), allowing('PUT'), anyone];
  const put = await fetching({ method: 'PUT' }, back);
  assertAllowed(put);
  assert.equal(header(sent(put, 2), 'Access-Control-Request-Method'), 'PUT');
});

test('301 and 302 turn POST into GET without a body, 307 and 308 do not', async () => {
  const page = { method: 'POST', body: 'x', headers: [['Content-Language', 'en'], ['Accept', 'a/b']] as const };
  for (const status of [301, 302, 303]) {
    const second = sent(await fetching(page, [redirect(`${API}/b`, status), anyone]), 1);
    assert.deepEqual([second.method, second.body], ['GET', undefined]);
    assert.equal(header(second, 'Content-Type'), undefined);
    assert.equal(header(second, 'Content-Language'), undefined);
    assert.equal(header(second, 'Accept'), 'a/b');
  }
  for (const status of [307, 308]) {
    const second = sent(await fetching(page, [redirect(`${API}/b`, status), anyone]), 1);
    assert.deepEqual([second.method, second.body, header(second, 'Content-Language')], ['POST', 'x', 'en']);
  }
});

test('303 turns PUT into GET, 302 leaves it, and HEAD stays HEAD', async () => {
  const method = async (status: number, first: string) => {
    const own = { url: `${APP}/a`, method: first };
    return sent(await fetching(own, [redirect('/b', status), answer(200)]), 1).method;
  };
  assert.equal(await method(303, 'PUT'), 'GET');
  assert.equal(await method(302, 'PUT'), 'PUT');
  assert.equal(await method(303, 'HEAD'), 'HEAD');
});

test('authorization does not follow to another origin, and does within one', async () => {
  const page = { headers: [['Authorization', 'Bearer x'], ['X-A', '1']] as const };
  const pass = allowing(undefined, 'authorization, x-a');
  const away = await fetching(page, [pass, redirect(OTHER), pass, anyone]);
  assertAllowed(away);
  assert.equal(header(sent(away, 2), 'Access-Control-Request-Headers'), 'x-a');
  assert.equal(header(sent(away, 3), 'Authorization'), undefined);
  const within = await fetching(page, [pass, redirect(`${API}/b`), pass, anyone]);
  assertAllowed(within);
  assert.equal(header(sent(within, 3), 'Authorization'), 'Bearer x');
});

test('each hop has a preflight of its own if it needs one', async () => {
  const page = { method: 'PUT', body: 'x' };
  const verdict = await fetching(page, [allowing('PUT'), redirect(`${API}/b`, 307), allowing('PUT'), anyone]);
  assertAllowed(verdict);
  assert.deepEqual(kinds(verdict), ['preflight', 'request', 'preflight', 'request']);
  assert.equal(sent(verdict, 2).url, `${API}/b`);
  const refused = await fetching(page, [allowing('PUT'), redirect(`${API}/b`, 307), allowing('GET')]);
  assertBlocked(refused, 'method-not-allowed', `${PREFLIGHT} 7.5`);
  assert.equal(refused.blocked?.during, 'preflight');
  const turned = await fetching(page, [allowing('PUT'), redirect(`${API}/b`, 303), anyone]);
  assert.deepEqual(kinds(turned), ['preflight', 'request', 'request']);
});

test('twenty redirects are followed, and no more', async () => {
  const hops = (count: number) => Array.from({ length: count }, (_, index) => redirect(`${API}/${index}`));
  assertAllowed(await fetching({}, [...hops(20), anyone]));
  const verdict = await fetching({}, [...hops(21), anyone]);
  assertBlocked(verdict, 'redirect-limit', `${REDIRECT} 7`);
  assert.equal(verdict.exchanges.length, 21);
});

test('a redirect leads to one http or https URL, or nowhere', async () => {
  for (const [location, reason, step] of [
    ['ftp://example.com/', 'redirect-scheme', 6], ['data:text/plain,x', 'redirect-scheme', 6],
    ['https://', 'redirect-location', 5], [[API, OTHER], 'redirect-location', 5],
  ] as const) {
    const verdict = await fetching({}, [redirect([location].flat()), anyone]);
    assertBlocked(verdict, reason, `${REDIRECT} ${step}`);
    assert.equal(verdict.blocked?.during, 'request');
  }
});

test('two Location lines that say the same are one', async () => {
  assertAllowed(await fetching({}, [redirect(['/there', '/there']), anyone]));
});

test('the bytes above 7F of a Location are percent-encoded before it is parsed', async () => {
  const raw = Buffer.from('/käse?ü', 'utf8').toString('latin1');
  const verdict = await fetching({}, [redirect(raw), anyone]);
  assert.equal(sent(verdict, 1).url, 'https://api.example.net/k%C3%A4se?%C3%BC');
  const host = Buffer.from('https://käse.example.net/', 'utf8').toString('latin1');
  const international = await fetching({ url: `${APP}/` }, [redirect(host), anyone]);
  assert.equal(sent(international, 1).url, 'https://xn--kse-qla.example.net/');
  const broken = await fetching({}, [redirect('/\xE4'), anyone]);
  assert.equal(sent(broken, 1).url, 'https://api.example.net/%E4');
});

test('a password in the URL of a redirect is for the own origin only, as long as no other was on the way', async () => {
  const withPassword = (url: string) => url.replace('://', '://me:pw@');
  const own = await fetching({ url: `${APP}/a` }, [redirect(withPassword(`${APP}/b`), 302, {}), answer(200)]);
  assertAllowed(own);
  assert.equal(sent(own, 1).url, `${APP}/b`);
  assertBlocked(await fetching({ url: `${APP}/a` }, [redirect(withPassword(API)), anyone]),
    'redirect-credentials', `${REDIRECT} 9`);
  assertBlocked(await fetching({}, [redirect(withPassword(`${APP}/b`)), anyone]),
    'redirect-credentials', `${REDIRECT} 10`);
});

test('a redirect status without Location is an answer like any other', async () => {
  const verdict = await fetching({}, [answer(302, ANY)]);
  assertAllowed(verdict);
  assert.equal(verdict.response?.status, 302);
});

test('Location means nothing with a status that is no redirect', async () => {
  for (const status of [201, 300, 304]) {
    const verdict = await fetching({}, [redirect(OTHER, status)]);
    assertAllowed(verdict);
    assert.equal(verdict.exchanges.length, 1);
  }
});
