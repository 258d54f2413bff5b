import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { PageRequest } from '../../scripts/cors/browser-model.ts';
import {
  APP, API, CHECK, anyOrigin, appWithCredentials, assertAllowed, assertBlocked, fetching, header, kinds, redirect,
  respond, sent,
} from './simulated-fetch.ts';

test('imports only its own parts, so that a web page can load it', () => {
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
    'browser-model.ts', 'header-list.ts', 'network-access.ts', 'preflight-cache.ts', 'safelists.ts', 'site.ts',
  ]);
});

test('allows a same-origin response without CORS headers', async () => {
  const page = { url: `${APP}/notes`, method: 'DELETE', headers: [['X-Api-Key', '1']] as const };
  const verdict = await fetching(page, [respond(204)]);
  assertAllowed(verdict);
  assert.deepEqual(kinds(verdict), ['request']);
  assert.match(verdict.exchanges[0]?.why ?? '', /same origin/);
});

test('treats another scheme, host or port as another origin', async () => {
  for (const url of ['https://app.example.org/', 'https://app.example.com:8443/']) {
    assertBlocked(await fetching({ url }, [respond(200)]), 'origin-missing', `${CHECK} 2`);
  }
  const plain = { origin: 'http://app.example.com', url: `${APP}/` };
  assertBlocked(await fetching(plain, [respond(200)]), 'origin-missing', `${CHECK} 2`);
  assertAllowed(await fetching({ url: 'https://app.example.com:443/' }, [respond(200)]));
});

test('sends Origin: null for an opaque origin, which is same-origin with nothing', async () => {
  const verdict = await fetching({ origin: 'null' }, [respond(200, { 'Access-Control-Allow-Origin': 'null' })]);
  assertAllowed(verdict);
  assert.equal(header(sent(verdict, 0), 'Origin'), 'null');
  assertBlocked(await fetching({ origin: 'null' }, [respond(200)]), 'origin-missing', `${CHECK} 2`);
});

test("throws if the page's origin is not serialised as browsers do", async () => {
  for (const origin of [`${APP}/`, 'https://app.example.com:443', 'HTTPS://app.example.com', 'app.example.com', '']) {
    await assert.rejects(fetching({ origin }, [anyOrigin]), TypeError, origin);
  }
  assertAllowed(await fetching({ origin: 'capacitor://localhost' }, [anyOrigin]));
});

test('sends Origin cross-origin, and same-origin unless the method is GET or HEAD', async () => {
  assert.equal(header(sent(await fetching({}, [anyOrigin]), 0), 'Origin'), APP);
  const own = { url: `${APP}/` };
  assert.equal(header(sent(await fetching(own, [respond(200)]), 0), 'Origin'), undefined);
  assert.equal(header(sent(await fetching({ ...own, method: 'HEAD' }, [respond(200)]), 0), 'Origin'), undefined);
  assert.equal(header(sent(await fetching({ ...own, method: 'POST' }, [respond(200)]), 0), 'Origin'), APP);
});

test('applies the credentials modes include, same-origin and omit', async () => {
  const own = { url: `${APP}/` };
  const flag = async (page: Partial<PageRequest>) => sent(await fetching(page, [appWithCredentials]), 0).credentials;
  assert.equal(await flag({}), false);
  assert.equal(await flag(own), true);
  assert.equal(await flag({ credentials: 'include' }), true);
  assert.equal(await flag({ ...own, credentials: 'omit' }), false);
});

test('sends Sec-Fetch-Site as same-origin, same-site or cross-site', async () => {
  const site = async (url: string, origin = APP) =>
    header(sent(await fetching({ origin, url }, [anyOrigin]), 0), 'Sec-Fetch-Site');
  assert.equal(await site(`${APP}/`), 'same-origin');
  assert.equal(await site('https://api.example.com/'), 'same-site');
  assert.equal(await site('https://app.example.com:8443/'), 'same-site');
  assert.equal(await site(API), 'cross-site');
  assert.equal(await site('http://localhost:8000/', 'http://localhost:3000'), 'same-site');
  assert.equal(await site('http://localhost:8000/', 'https://localhost:3000'), 'cross-site');
  assert.equal(await site('http://127.0.0.1:8000/', 'http://10.0.0.1'), 'cross-site');
  assert.equal(await site('https://[::1]/', 'null'), 'cross-site');
  const detour = await fetching({}, [redirect('https://api.example.com/'), anyOrigin]);
  assert.equal(header(sent(detour, 1), 'Sec-Fetch-Site'), 'cross-site');
});

test('sends Sec-Fetch-* only to https: and to this machine', async () => {
  const origin = 'http://192.168.0.2';
  const mode = async (url: string) => header(sent(await fetching({ origin, url }, [anyOrigin]), 0), 'Sec-Fetch-Mode');
  for (const url of [API, 'http://localhost:8000/', 'http://127.0.0.1/', 'http://[::1]/']) {
    assert.equal(await mode(url), 'cors');
  }
  for (const url of ['http://api.example.net/', 'http://192.168.0.1/']) assert.equal(await mode(url), undefined);
});

test('sends the URL without its fragment', async () => {
  assert.equal(sent(await fetching({ url: `${API}?q=1#here` }, [anyOrigin]), 0).url, `${API}?q=1`);
});
