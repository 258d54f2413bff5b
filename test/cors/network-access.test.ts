import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PageRequest, fetchAsPage } from '../../scripts/cors/browser-model.ts';
import { accessTo, spaceOf } from '../../scripts/cors/network-access.ts';

/** Returns `open`, the permission that the browser asks for, or the reason for blocking. */
function accessOf(url: string, origin: string, target?: string, page?: string): string {
  const access = accessTo(new URL(url), origin, { target, page });
  return access.kind === 'asks' ? access.permission : access.kind === 'blocked' ? access.reason : access.kind;
}

test('classifies a host by its name, or else by its address', () => {
  for (const [hostname, address, space] of [
    ['localhost', undefined, 'loopback'], ['api.localhost', undefined, 'loopback'],
    ['127.1.2.3', undefined, 'loopback'],
    ['[::1]', undefined, 'loopback'], ['0.0.0.0', undefined, 'loopback'], ['[::ffff:7f00:1]', undefined, 'loopback'],
    ['10.0.0.1', undefined, 'local'], ['172.16.0.1', undefined, 'local'], ['172.32.0.1', undefined, 'public'],
    ['192.168.1.1', undefined, 'local'], ['169.254.1.1', undefined, 'local'], ['100.64.0.1', undefined, 'local'],
    ['100.128.0.1', undefined, 'public'], ['[fd00::1]', undefined, 'local'], ['[fe80::1]', undefined, 'local'],
    ['[2001:db8::1]', undefined, 'public'], ['printer.local', undefined, 'local'], ['8.8.8.8', undefined, 'public'],
    ['api.example.net', undefined, 'public'], ['api.example.net', '203.0.113.1', 'public'],
    ['api.example.net', '127.0.0.1', 'loopback'], ['api.example.net', '::ffff:127.0.0.1', 'loopback'],
    ['api.example.net', '::1', 'loopback'], ['api.example.net', '192.168.0.1', 'local'],
    ['api.example.net', 'fd00::1', 'local'], ['localhost.example.net', undefined, 'public'],
  ] as const) assert.equal(spaceOf(hostname, address), space, `${hostname} at ${address}`);
});

test('restricts addresses as Chromium and Firefox do', () => {
  const pages = [
    'https://app.example.com', 'http://app.example.com', 'http://192.168.0.2', 'https://localhost:5173',
    'http://localhost:5173',
  ];
  const mixed = 'mixed-content';
  const local = 'local-network';
  const loopback = 'loopback-network';
  const unusable = 'unusable-address';
  for (const [url, address, ...expected] of [
    ['http://localhost:8000', undefined, loopback, local, 'open', 'open', 'open'],
    ['http://127.0.0.1:8000', undefined, loopback, local, 'open', 'open', 'open'],
    ['https://localhost:8443', undefined, loopback, local, 'open', 'open', 'open'],
    ['http://api.example.net', '127.0.0.1', mixed, local, 'open', mixed, 'open'],
    ['https://api.example.net', '127.0.0.1', loopback, local, 'open', 'open', 'open'],
    ['http://192.168.0.1', undefined, mixed, local, 'open', mixed, 'open'],
    ['http://printer.local', undefined, mixed, local, 'open', mixed, 'open'],
    ['http://api.example.net', '192.168.0.1', mixed, local, 'open', mixed, 'open'],
    ['https://api.example.net', '192.168.0.1', local, local, 'open', 'open', 'open'],
    ['http://api.example.net', '203.0.113.1', mixed, 'open', 'open', mixed, 'open'],
    ['https://api.example.net', '203.0.113.1', 'open', 'open', 'open', 'open', 'open'],
    ['http://0.0.0.0:8000', undefined, unusable, unusable, unusable, unusable, unusable],
    ['http://localhost:6000', undefined, 'bad-port', 'bad-port', 'bad-port', 'bad-port', 'bad-port'],
  ] as const) assert.deepEqual(pages.map((page) => accessOf(url, page, address)), expected, `${url} at ${address}`);
});

test('requires no permission if the page itself is local', () => {
  assert.equal(accessOf('https://api.example.net', 'https://app.example.com', '127.0.0.1', '127.0.0.1'), 'open');
  assert.equal(accessOf('https://app.example.com:8443', 'https://app.example.com', '127.0.0.1'), 'open');
  assert.equal(accessOf('http://app.example.com:8000', 'https://app.example.com'), 'mixed-content');
  assert.equal(accessOf('http://localhost:8000', 'null'), 'open');
});

const allowed = { status: 200, headers: [['Access-Control-Allow-Origin', '*']] as const };

test('blocks by the address of the response, and omits the request from the exchanges', async () => {
  const page: PageRequest = { origin: 'http://app.example.com', url: 'http://api.example.net/' };
  const verdict = await fetchAsPage(page, async () => ({ ...allowed, address: '127.0.0.1' }));
  assert.equal(verdict.blocked?.reason, 'local-network');
  assert.equal(verdict.blocked?.during, 'page');
  assert.deepEqual(verdict.exchanges, []);
});

test('looks up the address of the page only if the verdict depends on it', async () => {
  let lookUps = 0;
  const lookUpPage = async () => (lookUps++, '127.0.0.1');
  const origin = 'https://app.example.com';
  const elsewhere = { origin, url: 'https://api.example.net/' };
  assert.equal((await fetchAsPage(elsewhere, async () => allowed, { lookUpPage })).asks, undefined);
  assert.equal(lookUps, 0);
  const local = { origin, url: 'https://localhost/' };
  assert.equal((await fetchAsPage(local, async () => allowed, { lookUpPage })).asks, undefined);
  assert.equal(lookUps, 1);
  assert.equal((await fetchAsPage(local, async () => allowed)).asks?.permission, 'loopback-network');
});

test('checks the address of every redirect', async () => {
  const redirect = { status: 302, headers: [...allowed.headers, ['Location', 'http://api.example.net/']] as const };
  const page: PageRequest = { origin: 'https://app.example.com', url: 'https://api.example.net/' };
  const verdict = await fetchAsPage(page, async () => redirect);
  assert.equal(verdict.blocked?.reason, 'mixed-content');
  assert.equal(verdict.blocked?.url, 'http://api.example.net/');
  assert.equal(verdict.exchanges.length, 1);
});
