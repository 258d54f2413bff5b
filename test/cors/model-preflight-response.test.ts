import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ANY_HEADERS, APP, APP_HEADERS, API, CHECK, PREFLIGHT, allowing, anyOrigin, appWithCredentials, assertAllowed,
  assertBlocked, fetching, kinds, respond,
} from './simulated-fetch.ts';

test('checks the preflight response with the credentials mode of the request', async () => {
  const page = { method: 'DELETE', credentials: 'include' } as const;
  assertAllowed(await fetching(page, [allowing('DELETE', undefined, APP_HEADERS), appWithCredentials]));
  const without = allowing('DELETE', undefined, { 'Access-Control-Allow-Origin': APP });
  const verdict = await fetching(page, [without, appWithCredentials]);
  assertBlocked(verdict, 'credentials-not-allowed', `${CHECK} 8`, /preflight/);
  assert.equal(verdict.blocked?.during, 'preflight');
  assert.deepEqual(kinds(verdict), ['preflight']);
  assertBlocked(await fetching({ method: 'DELETE' }, [allowing('DELETE', undefined, {}), appWithCredentials]),
    'origin-missing', `${CHECK} 2`, /status 204/);
});

test('requires a preflight status from 200 to 299', async () => {
  const allow = { ...ANY_HEADERS, 'Access-Control-Allow-Methods': 'DELETE' };
  for (const status of [200, 204, 299]) {
    assertAllowed(await fetching({ method: 'DELETE' }, [respond(status, allow), anyOrigin]));
  }
  for (const status of [199, 304, 401, 403, 404, 405, 500]) {
    const verdict = await fetching({ method: 'DELETE' }, [respond(status, allow), anyOrigin]);
    assertBlocked(verdict, 'preflight-status', `${PREFLIGHT} 7`, new RegExp(`${status}`));
  }
});

test('blocks a redirected preflight', async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    const verdict = await fetching(
      { method: 'DELETE' },
      [respond(status, { ...ANY_HEADERS, Location: `${API}/` }), anyOrigin],
    );
    assertBlocked(verdict, 'preflight-redirect', `${PREFLIGHT} 7`);
    assert.deepEqual(kinds(verdict), ['preflight']);
  }
});

test('blocks malformed lists, and accepts empty elements and repeated lines', async () => {
  const page = { method: 'PUT', headers: [['X-A', '1']] as const };
  for (const methods of ['PUT;', 'PUT DELETE', '"PUT"', ['PUT', '(']]) {
    assertBlocked(
      await fetching(page, [allowing(methods, 'x-a'), anyOrigin]), 'malformed-allow-list',
      `${PREFLIGHT} 7.3`,
    );
  }
  const verdict = await fetching(page, [allowing('PUT', 'x-a, x a'), anyOrigin]);
  assertBlocked(verdict, 'malformed-allow-list', `${PREFLIGHT} 7.3`, /x-a, x a/);
  assert.equal(verdict.blocked?.name, 'Access-Control-Allow-Headers');
  assertAllowed(await fetching(page, [allowing(['GET', ' ,PUT\t,'], ['', 'x-a,,x-b']), anyOrigin]));
});

test('requires the method in Access-Control-Allow-Methods, in the same case', async () => {
  assertAllowed(await fetching({ method: 'PATCH' }, [allowing('GET, PATCH'), anyOrigin]));
  for (const [method, list] of [['PATCH', 'GET, PUT'], ['patch', 'PATCH'], ['PUT', undefined], ['PUT', '']] as const) {
    const verdict = await fetching({ method }, [allowing(list), anyOrigin]);
    const detail = new RegExp(`${method} .*only ${list || 'none'}`);
    assertBlocked(verdict, 'method-not-allowed', `${PREFLIGHT} 7.5`, detail);
    assert.equal(verdict.blocked?.name, method);
    assert.equal(verdict.blocked?.during, 'preflight');
  }
});

test('does not require a safelisted method to be listed', async () => {
  assertAllowed(await fetching({ method: 'POST', headers: [['X-A', '1']] }, [allowing(undefined, 'x-a'), anyOrigin]));
});

test('accepts any method with *, but not with credentials', async () => {
  assertAllowed(await fetching({ method: 'PUT' }, [allowing('*'), anyOrigin]));
  const include = { method: 'PUT', credentials: 'include' } as const;
  const verdict = await fetching(include, [allowing('*', undefined, APP_HEADERS), appWithCredentials]);
  assertBlocked(verdict, 'method-not-allowed', `${PREFLIGHT} 7.5`, /not a wildcard/);
  const star = { method: '*', credentials: 'include' } as const;
  assertAllowed(await fetching(star, [allowing('*', undefined, APP_HEADERS), appWithCredentials]));
});

test('requires every unsafe header to be listed, in any case', async () => {
  const page = { headers: [['X-A', '1'], ['X-B', '1']] as const };
  assertAllowed(await fetching(page, [allowing(undefined, 'X-B, x-a'), anyOrigin]));
  const verdict = await fetching(page, [allowing(undefined, 'X-A'), anyOrigin]);
  assertBlocked(verdict, 'header-not-allowed', `${PREFLIGHT} 7.7`, /x-b.*only x-a/);
  assert.equal(verdict.blocked?.name, 'x-b');
  assertBlocked(await fetching(page, [allowing(), anyOrigin]), 'header-not-allowed', `${PREFLIGHT} 7.7`, /none/);
});

test('requires content-type to be allowed for application/json', async () => {
  const page = { method: 'POST', headers: [['Content-Type', 'application/json']] as const, body: '{}' };
  assertAllowed(await fetching(page, [allowing(undefined, 'content-type'), anyOrigin]));
  assert.equal((await fetching(page, [allowing(), anyOrigin])).blocked?.name, 'content-type');
});

test('accepts any header with *, but not with credentials', async () => {
  assertAllowed(await fetching({ headers: [['X-A', '1']] }, [allowing(undefined, '*'), anyOrigin]));
  const include = { headers: [['X-A', '1']] as const, credentials: 'include' as const };
  assertBlocked(await fetching(include, [allowing(undefined, '*', APP_HEADERS), appWithCredentials]),
    'header-not-allowed', `${PREFLIGHT} 7.7`, /not a wildcard/);

});

test('tolerates authorization with *, and names the step that blocks it', async () => {
  const bearer = { headers: [['Authorization', 'Bearer x']] as const };
  const verdict = await fetching(bearer, [allowing(undefined, '*'), anyOrigin]);
  assertAllowed(verdict);
  assert.equal(verdict.tolerated?.section, `Fetch, ${PREFLIGHT} 7.6`);
  assert.equal(verdict.tolerated?.name, 'authorization');
  const listed = await fetching(bearer, [allowing(undefined, '*, Authorization'), anyOrigin]);
  assertAllowed(listed);
  assert.equal(listed.tolerated, undefined);
  const include = { ...bearer, credentials: 'include' as const };
  assertBlocked(await fetching(include, [allowing(undefined, '*', APP_HEADERS), appWithCredentials]),
    'header-not-allowed', `${PREFLIGHT} 7.6`);
});

test('checks the response to the request again after the preflight passed', async () => {
  const verdict = await fetching({ method: 'DELETE' }, [allowing('DELETE'), respond(200)]);
  assertBlocked(verdict, 'origin-missing', `${CHECK} 2`);
  assert.equal(verdict.blocked?.during, 'request');
});

test('stops before the request with preflightOnly', async () => {
  const only = { preflightOnly: true };
  const asked = await fetching({ method: 'DELETE' }, [allowing('DELETE'), anyOrigin], only);
  assertAllowed(asked);
  assert.deepEqual(kinds(asked), ['preflight']);
  assert.equal(asked.response, undefined);
  const blocked = await fetching({ method: 'DELETE' }, [allowing('PUT')], only);
  assertBlocked(blocked, 'method-not-allowed', `${PREFLIGHT} 7.5`);
  const unasked = await fetching({ method: 'POST' }, [], only);
  assertAllowed(unasked);
  assert.deepEqual(unasked.exchanges, []);
});
