import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerOptions } from '../../../src/http/index.ts';
import { sendRaw } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectClosingError, expectResponses } from '../support/response.ts';

const allowed: ServerOptions = { allowedHosts: ['api.example.com', '127.0.0.1'] };

const badHosts: Record<string, string> = {
  'is missing': '',
  'is empty': 'Host:\r\n',
  'comes twice': 'Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n',
  'comes twice and differs': 'Host: 127.0.0.1\r\nHost: api.example.com\r\n',
  'has a path': 'Host: 127.0.0.1/x\r\n',
  'has a user': 'Host: user@127.0.0.1\r\n',
  'contains a space': 'Host: 127.0.0.1 x\r\n',
  'has only a port': 'Host: :80\r\n',
  'has an invalid port': 'Host: 127.0.0.1:http\r\n',
  'has two ports': 'Host: 127.0.0.1:1:2\r\n',
  'has an unclosed bracket': 'Host: [::1\r\n',
  'has non-ASCII bytes': 'Host: \xe4.example.com\r\n',
};
for (const [what, lines] of Object.entries(badHosts)) {
  test(`responds 400 to a Host that ${what}, with any allowedHosts`, async (t) => {
    for (const options of [{}, allowed]) {
      const { port } = await listen(t, routes, options);
      expectClosingError(await sendRaw(t, port, `GET / HTTP/1.1\r\n${lines}\r\n`), 400);
    }
  });
}

test('accepts HTTP/1.0 requests without Host, but rejects an invalid one', async (t) => {
  const { port } = await listen(t, routes, allowed);
  expectResponses(await sendRaw(t, port, 'GET / HTTP/1.0\r\n\r\n'), [200]);
  expectClosingError(await sendRaw(t, port, 'GET / HTTP/1.0\r\nHost: a b\r\n\r\n'), 400);
});

test('responds 421 to a Host that is not allowed, and names the setting', async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const host of [
    'evil.example', 'api.example.com.evil.example', 'xapi.example.com', 'evil.example:80', 'localhost',
  ]) {
    const received = await sendRaw(t, port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expectClosingError(received, 421);
    assert.match(received, /ALLOWED_HOSTS/);
  }
});

test('matches allowedHosts case-insensitively and ignores the port', async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const host of ['api.example.com', 'API.example.com', 'api.example.com:1', '127.0.0.1:65535']) {
    expectResponses(await sendRaw(t, port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`), [200]);
  }
});

test('validates every Host on a connection, even after a valid one', async (t) => {
  const { port } = await listen(t, routes, allowed);
  const good = 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
  expectResponses(await sendRaw(t, port, `${good}GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n`), [200, 421]);
  expectResponses(await sendRaw(t, port, `${good}GET / HTTP/1.1\r\nHost:\r\n\r\n`), [200, 400]);
});

const oneHost = { allowedHosts: ['api.example.com'] };

function get(target: string, host: string | undefined): string {
  return `GET ${target} HTTP/1.1\r\n${host === undefined ? '' : `Host: ${host}\r\n`}Connection: close\r\n\r\n`;
}

test('accepts an IP address as Host, because DNS rebinding needs a name', async (t) => {
  const { port } = await listen(t, routes, oneHost);
  for (const host of [
    '127.0.0.1',
    '127.0.0.1:8000',
    '10.1.2.3',
    '[::1]',
    '[::1]:8000',
    '[2001:db8::1]',
    '[::ffff:127.0.0.1]',
  ]) {
    expectResponses(await sendRaw(t, port, get('/', host)), [200]);
    expectResponses(await sendRaw(t, port, get(`http://${host}/`, host)), [200]);
  }
});

test('treats a Host that only resembles an IP address as a name', async (t) => {
  const { port } = await listen(t, routes, oneHost);
  for (const host of [
    '127.0.0.1.evil.example',
    '127.0.0.1.',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3',
    '0x7f.0.0.1',
    '127-0-0-1.evil.example',
    '[evil.example]',
    '[1]',
  ]) {
    assert.match(await sendRaw(t, port, get('/', host)), /^HTTP\/1\.1 4(?:21|00) /, host);
  }
});
