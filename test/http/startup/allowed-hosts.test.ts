import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, describe, test } from 'node:test';
import { RequestHandler, createServer, hostNameError, isLoopback } from '../../../src/http/index.ts';

class Good extends RequestHandler {
  override doGet() {
    return 1;
  }
}

/** Starts a server and returns the status of its response to each Host. */
async function statusesOf(t: TestContext, allowedHosts: string[], hosts: string[]): Promise<Record<string, number>> {
  const server = createServer({ '/': Good }, { allowedHosts }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const statuses: Record<string, number> = {};
  for (const host of hosts) {
    const sent = request({ port, host: '127.0.0.1', headers: { host }, agent: false, signal: t.signal }).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.resume();
    statuses[host] = response.statusCode!;
  }
  return statuses;
}

test('allows a domain and its subdomains with a leading dot', async (t) => {
  const expected = {
    'example.com': 200, 'api.example.com': 200, 'a.b.Example.COM:8000': 200, '192.168.0.1': 200, '[::1]:80': 200,
    'evilexample.com': 421, 'example.com.evil.test': 421, 'com': 421, 'a..example.com': 400, '.example.com': 400,
    '..': 400, 'a..b': 400,
  };
  assert.deepEqual(await statusesOf(t, ['.example.com'], Object.keys(expected)), expected);
});

test('allows a name without a leading dot, but not its subdomains', async (t) => {
  const expected = { 'api.example.com': 200, 'API.example.com:1': 200, 'a.api.example.com': 421, 'example.com': 421 };
  assert.deepEqual(await statusesOf(t, ['Api.example.com'], Object.keys(expected)), expected);
});

describe('hostNameError', () => {
  for (const name of ['localhost', 'api.example.com', '.example.com', '.Example.com', '127.0.0.1', '[::1]', 'a_b-c']) {
    test(`accepts ${name}`, () => assert.equal(hostNameError(name), undefined));
  }
  const wrong: [name: string, advice: string][] = [
    ['..', 'api.example.com'], ['', 'api.example.com'], ['.', 'api.example.com'], ['a..b', 'a.b'],
    ['example.com.', 'example.com'], ['..example.com', '.example.com'], ['*.example.com', '.example.com'],
    ['https://api.example.com/v1', 'api.example.com'], ['api.example.com:8000', 'api.example.com'], ['::1', '[::1]'],
    ['[1.2]', 'api.example.com'], ['a b', 'api.example.com'],
  ];
  for (const [name, advice] of wrong) {
    test(`rejects "${name}" and suggests ${advice}`, () => {
      assert.equal(/such as (.*)$/.exec(hostNameError(name) ?? '')?.[1], advice);
      assert.equal(hostNameError(advice), undefined);
    });
  }
});

describe('isLoopback', () => {
  for (const name of ['localhost', 'a.localhost', 'localhost.', '127.0.0.1', '127.9.9.9', '[::1]', '[::ffff:7f00:1]']) {
    test(`is true for ${name}`, () => assert.equal(isLoopback(name), true));
  }
  for (const name of ['localhost.example.com', 'evillocalhost', '127.0.0.1.example.com', '128.0.0.1', '0.0.0.0']) {
    test(`is false for ${name}`, () => assert.equal(isLoopback(name), false));
  }
});
