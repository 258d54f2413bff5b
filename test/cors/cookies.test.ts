import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Header } from '../../scripts/cors/header-list.ts';
import { adviceOnCookies } from '../../scripts/cors/cookies.ts';
import { fetching } from './simulated-fetch.ts';

/** Returns the advice for a request with cookies, whose response has these headers. */
async function adviceFor(origin: string, url: string, headers: Header[] = []): Promise<string> {
  const page = { origin, url, credentials: 'include' } as const;
  return adviceOnCookies(page, await fetching(page, [{ status: 200, headers }])) ?? 'none';
}

test('gives no advice on cookies if the page and the API are on the same site', async () => {
  assert.equal(await adviceFor('http://localhost:5173', 'http://localhost:8000/'), 'none');
  assert.equal(await adviceFor('https://app.example.com', 'https://api.example.com/'), 'none');
});

test('gives no advice on cookies for a request without credentials', async () => {
  const page = { origin: 'https://app.example.com', url: 'https://api.example.net/' };
  assert.equal(adviceOnCookies(page, await fetching(page)), undefined);
});

test('advises SameSite=None; Secure; Partitioned for an API of another site', async () => {
  const advice = await adviceFor('https://app.example.com', 'https://api.example.net/');
  assert.match(advice, /only cookies that were set with "SameSite=None; Secure; Partitioned"/);
  assert.doesNotMatch(advice, /open the page/);
});

test('advises opening the page on the site of a local API', async () => {
  const advice = (origin: string, url: string) => adviceFor(origin, url);
  const toAddress = await advice('http://localhost:5173', 'http://127.0.0.1:8000/');
  assert.match(toAddress, /page on http:\/\/127\.0\.0\.1:5173, the/);
  const toHttps = await advice('http://localhost:5173', 'https://localhost:8443/');
  assert.match(toHttps, /page on https:\/\/localhost:5173, the/);
});

test('advises https: for an http: API of another site', async () => {
  assert.match(await adviceFor('http://app.example.com', 'http://api.example.net/'), /Serve the API over https:/);
});

test('gives no advice on cookies if the response sets the right attributes', async () => {
  const [origin, url] = ['https://app.example.com', 'https://api.example.net/'];
  const right = ['Set-Cookie', 'id=1; HttpOnly; secure; SameSite = None; Partitioned; Path=/'] as const;
  assert.equal(await adviceFor(origin, url, [right]), 'none');
  assert.match(await adviceFor(origin, url, [right, ['Set-Cookie', 'id=1; SameSite=None; Secure']]), /Partitioned/);
});

test('gives no advice on cookies for an app or an extension', async () => {
  assert.equal(await adviceFor('capacitor://localhost', 'https://api.example.net/'), 'none');
});
