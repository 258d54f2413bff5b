import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HttpRequest, type PageRequest, fetchAsPage } from '../../scripts/cors/browser-model.ts';
import { PreflightCache } from '../../scripts/cors/preflight-cache.ts';
import {
  ANY_HEADERS, APP, APP_HEADERS, API, allowing, anyOrigin, appWithCredentials, assertAllowed, fetching, kinds,
  respond,
} from './simulated-fetch.ts';

/** Returns a cache with its clock, and a fetch that returns whether it sent a preflight. */
function fetchingWithCache(maxAge: string | string[] = []) {
  const clock = { now: 1_000_000 };
  const cache = new PreflightCache(() => clock.now);
  const sendsPreflight = async (page: Partial<PageRequest> = {}, final = appWithCredentials) => {
    const corsHeaders = { ...APP_HEADERS, 'Access-Control-Allow-Origin': page.origin ?? APP };
    const preflight = allowing('DELETE, PUT', 'x-a, authorization', corsHeaders);
    const maxAgeHeaders = [maxAge].flat().map((value) => ['Access-Control-Max-Age', value] as const);
    const first = { ...preflight, headers: [...preflight.headers, ...maxAgeHeaders] };
    const performHttp = async (request: HttpRequest) => (request.method === 'OPTIONS' ? first : final);
    const verdict = await fetchAsPage({ origin: APP, url: API, method: 'DELETE', ...page }, performHttp, { cache });
    return kinds(verdict).includes('preflight');
  };
  return { clock, sendsPreflight };
}

test('caches a preflight for five seconds by default', async () => {
  const { clock, sendsPreflight } = fetchingWithCache();
  assert.equal(await sendsPreflight(), true);
  clock.now += 4_999;
  assert.equal(await sendsPreflight(), false);
  clock.now += 1;
  assert.equal(await sendsPreflight(), true);
});

test('caches a preflight for Access-Control-Max-Age seconds, and at most two hours', async () => {
  for (const [value, seconds] of [['60', 60], ['86400', 7200], ['1e3', 5], ['-1s', 5], [['60', '60'], 5]] as const) {
    const { clock, sendsPreflight } = fetchingWithCache([value].flat());
    await sendsPreflight();
    clock.now += seconds * 1000 - 1;
    assert.equal(await sendsPreflight(), false, `${value}, just before`);
    clock.now += 1;
    assert.equal(await sendsPreflight(), true, `${value}, just after`);
  }
});

test('does not cache a preflight with a max age of 0 or less', async () => {
  for (const maxAge of ['0', '-1']) {
    const { sendsPreflight } = fetchingWithCache(maxAge);
    assert.equal(await sendsPreflight(), true, maxAge);
    assert.equal(await sendsPreflight(), true, maxAge);
  }
});

test('allows only the methods and headers that a cached preflight lists', async () => {
  const sendsSecondPreflight = async (page: Partial<PageRequest>) => {
    const { sendsPreflight } = fetchingWithCache('60');
    await sendsPreflight();
    return sendsPreflight(page);
  };
  assert.equal(await sendsSecondPreflight({ method: 'PUT', headers: [['X-A', '1'], ['Authorization', 'b']] }), false);
  assert.equal(await sendsSecondPreflight({ method: 'GET', headers: [['X-A', '1']] }), false);
  assert.equal(await sendsSecondPreflight({ method: 'PATCH' }), true);
  assert.equal(await sendsSecondPreflight({ method: 'x-a' }), true);
  assert.equal(await sendsSecondPreflight({ headers: [['X-B', '1']] }), true);
});

test('caches preflights separately for each origin and URL', async () => {
  const { sendsPreflight } = fetchingWithCache('60');
  await sendsPreflight();
  assert.equal(await sendsPreflight({ url: `${API}?page=2` }), true);
  assert.equal(await sendsPreflight({ origin: 'https://b.example' }), true);
  assert.equal(await sendsPreflight({ url: `${API}#fragment` }), false);
});

test('reuses a preflight with credentials for requests without, but not the reverse', async () => {
  const without = fetchingWithCache('60');
  await without.sendsPreflight();
  assert.equal(await without.sendsPreflight({ credentials: 'include' }), true);
  const withThem = fetchingWithCache('60');
  await withThem.sendsPreflight({ credentials: 'include' });
  assert.equal(await withThem.sendsPreflight(), false);
});

test('allows any method and header but authorization with a cached *', async () => {
  const cache = new PreflightCache(() => 0);
  assertAllowed(await fetching({ method: 'PUT' }, [allowing('*', '*'), anyOrigin], { cache }));
  const again = await fetching({ method: 'DELETE', headers: [['X-B', '1']] }, [anyOrigin], { cache });
  assertAllowed(again);
  assert.match(again.exchanges[0]?.why ?? '', /still cached/);
  const bearer = await fetching({ headers: [['Authorization', 'b']] }, [respond(500)], { cache });
  assert.deepEqual(kinds(bearer), ['preflight']);
});

test('treats * of a preflight cached with credentials as a literal name', async () => {
  const cache = new PreflightCache(() => 0);
  const page = { method: 'PUT', credentials: 'include' } as const;
  assertAllowed(await fetching(page, [allowing('*, PUT', undefined, APP_HEADERS), appWithCredentials], { cache }));
  assert.deepEqual(kinds(await fetching({ method: 'DELETE' }, [respond(500)], { cache })), ['preflight']);
});

test('replaces the max age of an older preflight by that of a newer one', async () => {
  const cache = new PreflightCache(() => 0);
  const aged = (headers: string, seconds: string) =>
    allowing('PUT', headers, { ...ANY_HEADERS, 'Access-Control-Max-Age': seconds });
  assertAllowed(await fetching({ method: 'PUT' }, [aged('', '60'), anyOrigin], { cache }));
  assertAllowed(await fetching({ method: 'PUT', headers: [['X-A', '1']] }, [aged('x-a', '0'), anyOrigin], { cache }));
  assert.deepEqual(kinds(await fetching({ method: 'PUT' }, [respond(500)], { cache })), ['preflight']);
});

test('clears the cached preflight when its request fails', async () => {
  const { sendsPreflight } = fetchingWithCache('60');
  await sendsPreflight({ url: `${API}/other` });
  await sendsPreflight();
  assert.equal(await sendsPreflight({}, respond(200)), false);
  assert.equal(await sendsPreflight(), true);
  assert.equal(await sendsPreflight({ url: `${API}/other` }), false);
});

test('keeps the cached preflight when a request without preflight fails', async () => {
  const { sendsPreflight } = fetchingWithCache('60');
  await sendsPreflight();
  assert.equal(await sendsPreflight({ method: 'GET' }, respond(200)), false);
  assert.equal(await sendsPreflight(), false);
});

test('does not cache preflights unless a cache is passed', async () => {
  for (const _ of [1, 2]) {
    assert.deepEqual(kinds(await fetching({ method: 'PUT' }, [allowing('PUT'), anyOrigin])), ['preflight', 'request']);
  }
});
