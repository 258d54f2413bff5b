import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectClosingError, expectResponses } from '../support/response.ts';

test('responds to OPTIONS * for the server, not for the class of the path /', async (t) => {
  class Root extends RequestHandler {
    static override readonly cors: CorsOptions = { origins: ['https://app.example.com'] };
    override doOptions() {
      return 'root';
    }
  }
  const { port } = await listen(t, { '/': Root });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('OPTIONS *', ['Connection: close'])), [204]);
  assert.equal(response!.headers.get('allow'), 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
});

test('responds 400 to GET *, and 204 with Allow to OPTIONS *', async (t) => {
  const { port } = await listen(t, routes);
  expectClosingError(await sendRaw(t, port, requestBytes('GET *')), 400);
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('OPTIONS *', ['Connection: close'])), [204]);
  assert.match(response!.headers.get('allow')!, /\bGET\b.*\bPOST\b/);
});

test('responds 400 to a target that does not start with a slash', async (t) => {
  const { port } = await listen(t, routes);
  for (const target of ['a', '?a=1', 'ftp://127.0.0.1/', 'http:///', 'http://', '127.0.0.1:80']) {
    expectClosingError(await sendRaw(t, port, requestBytes(`GET ${target}`)), 400);
  }
});

test('accepts a path of 8,000 bytes', async (t) => {
  const { port } = await listen(t, routes);
  const name = 'a'.repeat(8_000 - '/parts/'.length);
  const request = requestBytes(`GET /parts/${name}`, ['Connection: close']);
  const [response] = expectResponses(await sendRaw(t, port, request), [200]);
  assert.equal(JSON.parse(response!.body!).path, `/parts/${name}`);
});

const allowed = { allowedHosts: ['api.example.com'] };

function get(target: string, host: string | undefined): string {
  return `GET ${target} HTTP/1.1\r\n${host === undefined ? '' : `Host: ${host}\r\n`}Connection: close\r\n\r\n`;
}

for (const [target, host] of [
  ['http://127.0.0.1/', 'localhost'],
  ['http://api.example.com/', 'evil.example'],
  ['http://API.Example.com/', 'other.example:80'],
  ['http://api.example.com:8000/', 'api.example.com'],
  ['https://api.example.com', 'evil.example'],
] as const) {
  test(`accepts ${target} beside Host: ${host}`, async (t) => {
    for (const options of [{}, allowed]) {
      const { port } = await listen(t, routes, options);
      const [response] = expectResponses(await sendRaw(t, port, get(target, host)), [200]);
      assert.deepEqual(JSON.parse(response!.body!), { path: '/', query: '' });
    }
  });
}

test('takes path and query from an absolute-form target', async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const [target, query] of [['http://api.example.com?a=1', 'a=1'], ['http://api.example.com/?b=2', 'b=2']]) {
    const [response] = expectResponses(await sendRaw(t, port, get(target!, 'evil.example')), [200]);
    assert.deepEqual(JSON.parse(response!.body!), { path: '/', query });
  }
});

test('responds 421 to an absolute-form target with a host that is not allowed', async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const target of [
    'http://evil.example/',
    'http://api.example.com.evil.example/',
    'http://evil.example?api.example.com',
    'https://xapi.example.com/',
  ]) {
    const [response] = expectResponses(await sendRaw(t, port, get(target, 'api.example.com')), [421]);
    assert.match(response!.body!, /ALLOWED_HOSTS|allowedHosts/);
  }
});

test('rejects an invalid authority, regardless of the Host header', async (t) => {
  for (const options of [{}, allowed]) {
    const { port } = await listen(t, routes, options);
    for (const target of [
      'http://user@api.example.com/',
      'http://api.example.com:x/',
      'http://api.example.com:80:80/',
      'http://[::1/',
      'http://:80/',
      'http://a,b/',
    ]) {
      const received = await sendRaw(t, port, get(target, 'api.example.com'));
      assert.match(received, /^HTTP\/1\.1 4(?:00|21) /, target);
    }
  }
});

test('responds 400 to a malformed or missing Host, even with an absolute-form target', async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const host of [undefined, '', 'a b', 'api.example.com/x', 'api.example.com\r\nHost: api.example.com']) {
    expectResponses(await sendRaw(t, port, get('http://api.example.com/', host)), [400]);
  }
});

test('validates every authority on a connection, even after a valid one', async (t) => {
  const { port } = await listen(t, routes, allowed);
  const good = 'GET http://api.example.com/ HTTP/1.1\r\nHost: x\r\n\r\n';
  expectResponses(await sendRaw(t, port, good + get('/', 'x')), [200, 421]);
  expectResponses(await sendRaw(t, port, good + get('http://evil.example/', 'api.example.com')), [200, 421]);
});

test('responds 400 to a target that contains a fragment', async (t) => {
  const { port } = await listen(t, routes);
  for (const target of ['/#', '/#a', '/?a#b', '/parts/a#b', '/none#', 'http://127.0.0.1/#', 'http://127.0.0.1#', '#']) {
    expectResponses(await sendRaw(t, port, requestBytes(`GET ${target}`)), [400]);
  }
  expectResponses(await sendRaw(t, port, requestBytes('GET /parts/%23', ['Connection: close'])), [200]);
});
