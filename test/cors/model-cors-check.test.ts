import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ANY_HEADERS, APP, CHECK, anyOrigin, appWithCredentials, assertAllowed, assertBlocked, fetching, respond,
} from './simulated-fetch.ts';

test('allows a response only if Access-Control-Allow-Origin is * or the exact origin', async () => {
  assertAllowed(await fetching({}, [anyOrigin]));
  assertAllowed(await fetching({}, [respond(404, { 'access-control-allow-origin': APP })]));
  for (const value of [`${APP}/`, 'HTTPS://app.example.com', 'app.example.com', 'null', '', 'https://*.example.com']) {
    const verdict = await fetching({}, [respond(200, { 'Access-Control-Allow-Origin': value })]);
    assertBlocked(verdict, 'origin-mismatch', `${CHECK} 4`, /https:\/\/app\.example\.com/);
    assert.equal(verdict.blocked?.during, 'request');
  }
});

test('blocks a response without Access-Control-Allow-Origin', async () => {
  const verdict = await fetching({}, [respond(200, { 'Access-Control-Allow-Credentials': 'true' })]);
  assertBlocked(verdict, 'origin-missing', `${CHECK} 2`, /status 200.*no Access-Control-Allow-Origin/);
  assert.equal(verdict.exchanges[0]?.response?.status, 200);
});

test('blocks a repeated Access-Control-Allow-Origin, even with equal values', async () => {
  for (const value of [[APP, APP], ['*', '*'], [APP, '*'], [`${APP},https://b.example`]]) {
    const verdict = await fetching({}, [respond(200, { 'Access-Control-Allow-Origin': value })]);
    assertBlocked(verdict, 'origin-multiple', `${CHECK} 4`);
  }
});

test('accepts Access-Control-Allow-Origin: * only without credentials', async () => {
  const star = respond(200, { ...ANY_HEADERS, 'Access-Control-Allow-Credentials': 'true' });
  assertBlocked(await fetching({ credentials: 'include' }, [star]), 'wildcard-with-credentials', `${CHECK} 4`);
  assertAllowed(await fetching({ credentials: 'omit' }, [star]));
  assertAllowed(await fetching({ credentials: 'same-origin' }, [star]));
});

test('requires exactly one Access-Control-Allow-Credentials: true with credentials', async () => {
  assertAllowed(await fetching({ credentials: 'include' }, [appWithCredentials]));
  for (const value of [[], 'True', 'false', ['true', 'true']]) {
    const response = respond(200, { 'Access-Control-Allow-Origin': APP, 'Access-Control-Allow-Credentials': value });
    assertBlocked(await fetching({ credentials: 'include' }, [response]), 'credentials-not-allowed', `${CHECK} 8`);
    assertAllowed(await fetching({}, [response]));
  }
});

test('reports a missing response as a network error with its cause', async () => {
  const verdict = await fetching({});
  assertBlocked(verdict, 'network-error', 'HTTP-network fetch', /no response left/);
  assert.equal(verdict.exchanges.length, 1);
  assert.equal(verdict.exchanges[0]?.response, undefined);
});
