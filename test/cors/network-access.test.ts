import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PageRequest, fetchAsPage } from '../../scripts/cors/browser-model.ts';
import { accessTo, spaceOf } from '../../scripts/cors/network-access.ts';

/** In a word: `open`, the permission that is asked for, or why nothing is sent. */
function inAWord(url: string, origin: string, target?: string, page?: string): string {
  const access = accessTo(new URL(url), origin, { target, page });
  return access.kind === 'asks' ? access.permission : access.kind === 'refused' ? access.reason : access.kind;
}

test('a host is as private as its name or its address says', () => {
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

test('who may call which address is as Chromium and Firefox were seen to do it', () => {
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
  ] as const) assert.deepEqual(pages.map((page) => inAWord(url, page, address)), expected, `${url} at ${address}`);
});

test('a page whose own host is on this computer or network is not asked about', () => {
  assert.equal(inAWord('https://api.example.net', 'https://app.example.com', '127.0.0.1', '127.0.0.1'), 'open');
  assert.equal(inAWord('https://app.example.com:8443', 'https://app.example.com', '127.0.0.1'), 'open');
  assert.equal(inAWord('http://app.example.com:8000', 'https://app.example.com'), 'mixed-content');
  assert.equal(inAWord('http://localhost:8000', 'null'), 'open');
});

const grant = { status: 200, headers: [['Access-Control-Allow-Origin', '*']] as const };

test(
  'the address that an answer came from counts, and what a browser would not have sent is not in the dialogue',
  async () => {
    const page: PageRequest = { origin: 'http://app.example.com', url: 'http://api.example.net/' };
    const verdict = await fetchAsPage(page, async () => ({ ...grant, address: '127.0.0.1' }));
    assert.equal(verdict.blocked?.reason, 'local-network');
    assert.equal(verdict.blocked?.during, 'page');
    assert.deepEqual(verdict.exchanges, []);
  },
);

test('where the page comes from is looked up only if it makes a difference', async () => {
  let lookUps = 0;
  const lookUpPage = async () => (lookUps++, '127.0.0.1');
  const origin = 'https://app.example.com';
  const elsewhere = { origin, url: 'https://api.example.net/' };
  assert.equal((await fetchAsPage(elsewhere, async () => grant, { lookUpPage })).asks, undefined);
  assert.equal(lookUps, 0);
  const local = { origin, url: 'https://localhost/' };
  assert.equal((await fetchAsPage(local, async () => grant, { lookUpPage })).asks, undefined);
  assert.equal(lookUps, 1);
  assert.equal((await fetchAsPage(local, async () => grant)).asks?.permission, 'loopback-network');
});

test('every address on the way is looked at, redirects included', async () => {
  const redirect = { status: 302, headers: [...grant.headers, ['Location', 'http://api.example.net/']] as const };
  const page: PageRequest = { origin: 'https://app.example.com', url: 'https://api.example.net/' };
  const verdict = await fetchAsPage(page, async () => redirect);
  assert.equal(verdict.blocked?.reason, 'mixed-content');
  assert.equal(verdict.blocked?.url, 'http://api.example.net/');
  assert.equal(verdict.exchanges.length, 1);
});
