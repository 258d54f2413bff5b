import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ANY_HEADERS, APP, API, CHECK, OTHER, PREFLIGHT, REDIRECT, allowing, anyOrigin, appOnly, assertAllowed,
  assertBlocked, fetching, header, kinds, redirect, respond, sent,
} from './simulated-fetch.ts';

test('follows a same-origin redirect without CORS', async () => {
  const verdict = await fetching({ url: `${APP}/a` }, [redirect('/b', 302, {}), respond(200)]);
  assertAllowed(verdict);
  assert.equal(sent(verdict, 1).url, `${APP}/b`);
  assert.equal(sent(verdict, 1).credentials, true);
});

test("applies CORS after a redirect to another origin, with the page's origin", async () => {
  const verdict = await fetching({ url: `${APP}/a` }, [redirect(API, 302, {}), appOnly]);
  assertAllowed(verdict);
  assert.equal(header(sent(verdict, 1), 'Origin'), APP);
  assert.equal(sent(verdict, 1).credentials, false);
  assert.match(verdict.exchanges[1]?.why ?? '', /redirected to it \(status 302\)/);
  const blocked = await fetching({ url: `${APP}/a` }, [redirect(API, 302, {}), respond(200)]);
  assertBlocked(blocked, 'origin-missing', `${CHECK} 2`);
});

test('checks a cross-origin redirect response itself', async () => {
  const verdict = await fetching({}, [redirect(`${API}/b`, 302, {}), anyOrigin]);
  assertBlocked(verdict, 'origin-missing', `${CHECK} 2`, /status 302/);
  assert.equal(verdict.exchanges.length, 1);
});

test('sends Origin: null after a redirect from one other origin to a second one', async () => {
  const verdict = await fetching({}, [redirect(OTHER), respond(200, { 'Access-Control-Allow-Origin': 'null' })]);
  assertAllowed(verdict);
  assert.equal(header(sent(verdict, 1), 'Origin'), 'null');
  assertBlocked(await fetching({}, [redirect(OTHER), appOnly]), 'origin-mismatch', `${CHECK} 4`);
});

test("keeps the page's origin after a redirect within one other origin", async () => {
  assertAllowed(await fetching({}, [redirect(`${API}/b`), appOnly]));
});

test('applies CORS to a redirect back to the own origin, without credentials', async () => {
  const verdict = await fetching(
    {},
    [redirect(`${APP}/back`), respond(200, { 'Access-Control-Allow-Origin': 'null' })],
  );
  assertAllowed(verdict);
  assert.equal(header(sent(verdict, 1), 'Origin'), 'null');
  assert.equal(header(sent(verdict, 1), 'Sec-Fetch-Site'), 'cross-site');
  assert.equal(sent(verdict, 1).credentials, false);
  assertBlocked(await fetching({}, [redirect(`${APP}/back`), respond(200)]), 'origin-missing', `${CHECK} 2`);
  const back = [allowing('PUT'), redirect(`${APP}/back`, 307), allowing('PUT'), anyOrigin];
  const put = await fetching({ method: 'PUT' }, back);
  assertAllowed(put);
  assert.equal(header(sent(put, 2), 'Access-Control-Request-Method'), 'PUT');
});

test('changes POST to GET without a body for 301, 302 and 303, not for 307 and 308', async () => {
  const page = { method: 'POST', body: 'x', headers: [['Content-Language', 'en'], ['Accept', 'a/b']] as const };
  for (const status of [301, 302, 303]) {
    const second = sent(await fetching(page, [redirect(`${API}/b`, status), anyOrigin]), 1);
    assert.deepEqual([second.method, second.body], ['GET', undefined]);
    assert.equal(header(second, 'Content-Type'), undefined);
    assert.equal(header(second, 'Content-Language'), undefined);
    assert.equal(header(second, 'Accept'), 'a/b');
  }
  for (const status of [307, 308]) {
    const second = sent(await fetching(page, [redirect(`${API}/b`, status), anyOrigin]), 1);
    assert.deepEqual([second.method, second.body, header(second, 'Content-Language')], ['POST', 'x', 'en']);
  }
});

test('changes PUT to GET for 303 but not for 302, and never changes HEAD', async () => {
  const method = async (status: number, first: string) => {
    const own = { url: `${APP}/a`, method: first };
    return sent(await fetching(own, [redirect('/b', status), respond(200)]), 1).method;
  };
  assert.equal(await method(303, 'PUT'), 'GET');
  assert.equal(await method(302, 'PUT'), 'PUT');
  assert.equal(await method(303, 'HEAD'), 'HEAD');
});

test('drops authorization on a redirect to another origin', async () => {
  const page = { headers: [['Authorization', 'Bearer x'], ['X-A', '1']] as const };
  const pass = allowing(undefined, 'authorization, x-a');
  const away = await fetching(page, [pass, redirect(OTHER), pass, anyOrigin]);
  assertAllowed(away);
  assert.equal(header(sent(away, 2), 'Access-Control-Request-Headers'), 'x-a');
  assert.equal(header(sent(away, 3), 'Authorization'), undefined);
  const within = await fetching(page, [pass, redirect(`${API}/b`), pass, anyOrigin]);
  assertAllowed(within);
  assert.equal(header(sent(within, 3), 'Authorization'), 'Bearer x');
});

test('sends a preflight for each redirect hop that needs one', async () => {
  const page = { method: 'PUT', body: 'x' };
  const verdict = await fetching(page, [allowing('PUT'), redirect(`${API}/b`, 307), allowing('PUT'), anyOrigin]);
  assertAllowed(verdict);
  assert.deepEqual(kinds(verdict), ['preflight', 'request', 'preflight', 'request']);
  assert.equal(sent(verdict, 2).url, `${API}/b`);
  const blocked = await fetching(page, [allowing('PUT'), redirect(`${API}/b`, 307), allowing('GET')]);
  assertBlocked(blocked, 'method-not-allowed', `${PREFLIGHT} 7.5`);
  assert.equal(blocked.blocked?.during, 'preflight');
  const turned = await fetching(page, [allowing('PUT'), redirect(`${API}/b`, 303), anyOrigin]);
  assert.deepEqual(kinds(turned), ['preflight', 'request', 'request']);
});

test('follows at most twenty redirects', async () => {
  const hops = (count: number) => Array.from({ length: count }, (_, index) => redirect(`${API}/${index}`));
  assertAllowed(await fetching({}, [...hops(20), anyOrigin]));
  const verdict = await fetching({}, [...hops(21), anyOrigin]);
  assertBlocked(verdict, 'redirect-limit', `${REDIRECT} 7`);
  assert.equal(verdict.exchanges.length, 21);
});

test('blocks a redirect without exactly one http(s) Location', async () => {
  for (const [location, reason, step] of [
    ['ftp://example.com/', 'redirect-scheme', 6], ['data:text/plain,x', 'redirect-scheme', 6],
    ['https://', 'redirect-location', 5], [[API, OTHER], 'redirect-location', 5],
  ] as const) {
    const verdict = await fetching({}, [redirect([location].flat()), anyOrigin]);
    assertBlocked(verdict, reason, `${REDIRECT} ${step}`);
    assert.equal(verdict.blocked?.during, 'request');
  }
});

test('accepts two equal Location headers', async () => {
  assertAllowed(await fetching({}, [redirect(['/there', '/there']), anyOrigin]));
});

test('percent-encodes the bytes above 7F of a Location before parsing it', async () => {
  const raw = Buffer.from('/käse?ü', 'utf8').toString('latin1');
  const verdict = await fetching({}, [redirect(raw), anyOrigin]);
  assert.equal(sent(verdict, 1).url, 'https://api.example.net/k%C3%A4se?%C3%BC');
  const host = Buffer.from('https://käse.example.net/', 'utf8').toString('latin1');
  const international = await fetching({ url: `${APP}/` }, [redirect(host), anyOrigin]);
  assert.equal(sent(international, 1).url, 'https://xn--kse-qla.example.net/');
  const broken = await fetching({}, [redirect('/\xE4'), anyOrigin]);
  assert.equal(sent(broken, 1).url, 'https://api.example.net/%E4');
});

test('accepts a password in a Location only if every URL is same-origin', async () => {
  const withPassword = (url: string) => url.replace('://', '://me:pw@');
  const own = await fetching({ url: `${APP}/a` }, [redirect(withPassword(`${APP}/b`), 302, {}), respond(200)]);
  assertAllowed(own);
  assert.equal(sent(own, 1).url, `${APP}/b`);
  assertBlocked(await fetching({ url: `${APP}/a` }, [redirect(withPassword(API)), anyOrigin]),
    'redirect-credentials', `${REDIRECT} 9`);
  assertBlocked(await fetching({}, [redirect(withPassword(`${APP}/b`)), anyOrigin]),
    'redirect-credentials', `${REDIRECT} 10`);
});

test('returns a redirect status without Location as a normal response', async () => {
  const verdict = await fetching({}, [respond(302, ANY_HEADERS)]);
  assertAllowed(verdict);
  assert.equal(verdict.response?.status, 302);
});

test('ignores Location with a status that is not a redirect', async () => {
  for (const status of [201, 300, 304]) {
    const verdict = await fetching({}, [redirect(OTHER, status)]);
    assertAllowed(verdict);
    assert.equal(verdict.exchanges.length, 1);
  }
});
