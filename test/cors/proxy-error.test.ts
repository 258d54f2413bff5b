import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isProxyError } from '../../scripts/cors/proxy-error.ts';
import { app, explained, listenForeign } from './explain-command.ts';

test('recognises the error pages of proxies', () => {
  const html = ['Content-Type', 'text/html'] as const;
  for (const [status, ...headers] of [
    [502, ['Server', 'nginx/1.27.0'], html], [504, ['Server', 'nginx'], html], [502, ['Server', 'Caddy']],
    [503, html], [503, ['Server', 'awselb/2.0']], [503, ['Server', 'envoy'], ['Content-Type', 'text/plain']],
    [522, ['Server', 'cloudflare'], ['Content-Type', 'text/plain; charset=UTF-8']],
  ] as const) assert.equal(isProxyError({ status, headers }), true, `${status} ${headers.join(' ')}`);
});

test('does not take the response of an API for the error page of a proxy', () => {
  const nginx = ['Server', 'nginx'] as const;
  for (const [status, ...headers] of [
    [502, nginx, ['Content-Type', 'application/json']], [503, nginx, ['Content-Type', 'application/problem+json']],
    [503], [500, nginx, ['Content-Type', 'text/html']], [404, nginx, ['Content-Type', 'text/html']], [204, nginx],
  ] as const) assert.equal(isProxyError({ status, headers }), false, `${status} ${headers.join(' ')}`);
  assert.equal(isProxyError(undefined), false);
});

test('suggests checking the server behind a proxy, and no CORS headers', async (t) => {
  const url = await listenForeign(t, (_request, response) => {
    response.writeHead(502, { Server: 'nginx', 'Content-Type': 'text/html' }).end('<h1>502 Bad Gateway</h1>');
  });
  for (const method of ['GET', 'PUT']) {
    const { code, output, text } = await explained(`${url}/notes?a=1`, '--origin', app, '--method', method);
    assert.equal(code, 1);
    const [, advice] = text.split('What to change ');
    assert.match(advice!, /^- Check that the server behind the proxy is running: .*status 502, Server: nginx/);
    assert.match(advice!, /curl -i 'http:\/\/127\.0\.0\.1:8000\/notes\?a=1'/);
    assert.doesNotMatch(advice!, /Send "|CORS_|Respond to/);
    assert.equal(output.match(/^- Check/gm)?.length, 1, output);
  }
});
