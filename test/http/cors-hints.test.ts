import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerProcess } from './server-process.ts';

const origin = 'https://app.example.com';

test('the log of those who develop says once per cause why a page was refused or will stumble, and what to change', async (t) => {
  const server = new ServerProcess(t, { log: 'text', cors: { origins: [origin] } });
  const url = `http://127.0.0.1:${await server.port()}`;
  const item = { method: 'POST', headers: { origin, 'content-type': 'application/json' }, body: '{}' };
  const preflight = { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'content-type,x-token' };
  for (let turn = 0; turn < 2; turn++) {
    await fetch(url, { headers: { origin: 'https://other.example' } });
    await fetch(`${url}/items`, { method: 'OPTIONS', headers: preflight });
    await fetch(`${url}/items`, item);
    await fetch(`${url}/items`, { ...item, headers: { 'content-type': 'application/json' } });
  }
  await fetch(`${url}/the-end`);
  await server.printed(/the-end/);
  assert.deepEqual(server.output.match(/(?<=\d cors: ).*/g), [
    'refused https://other.example: not among CORS_ORIGINS (add it there)',
    'PUT /items is not implemented (Items has doGet, doPost)',
    'x-token is not allowed (add it to CORS_ALLOWED_HEADERS)',
    'a page cannot read the Location of /items (add it to CORS_EXPOSED_HEADERS)',
  ]);
});

test('a class with a policy of its own is named where the policy is written, and a cookie that stays behind is told', async (t) => {
  const server = new ServerProcess(t, { log: 'text', cors: { origins: '*', exposedHeaders: ['x-total-count'] } });
  const url = `http://127.0.0.1:${await server.port()}/own-policy`;
  await fetch(url, { headers: { origin: 'https://other.example' } });
  await fetch(url, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-token' } });
  await fetch(`${url}?cookie=a=1;+SameSite=None`, { headers: { origin } });
  await fetch(`${url}?cookie=a=1;+SameSite=None;+Secure`, { headers: { origin } });
  await fetch(`${url}?the-end`);
  await server.printed(/the-end/);
  assert.deepEqual(server.output.match(/(?<=\d cors: ).*/g), [
    'refused https://other.example: not among OwnPolicy.cors.origins (add it there)',
    'PUT /own-policy is not among OwnPolicy.cors.methods',
    'x-token is not allowed (add it to OwnPolicy.cors.allowedHeaders)',
    'a page cannot read the X-Total-Count of /own-policy (add it to OwnPolicy.cors.exposedHeaders)',
    'a cookie of /own-policy will not come back from pages of other sites (set it with SameSite=None; Secure)',
  ]);
});
