import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerProcess } from './server-process.ts';

const origin = 'https://app.example.com';

test('a class with a policy of its own is named where the policy is written, and a cookie that stays behind is told', async (t) => {
  const server = new ServerProcess(t, { LOG: 'text', CORS_EXPOSED_HEADERS: 'x-total-count' }, 'test/http/hints-server.ts');
  const url = `http://127.0.0.1:${await server.port()}/hints`;
  await fetch(url, { headers: { origin: 'https://other.example' } });
  await fetch(url, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-token' } });
  await fetch(`${url}?cookie=a=1;+SameSite=None`, { headers: { origin } });
  await fetch(`${url}?cookie=a=1;+SameSite=None;+Secure`, { headers: { origin } });
  await fetch(`${url}?the-end`);
  await server.printed(/the-end/);
  assert.deepEqual(server.output.match(/(?<=\d cors: ).*/g), [
    'refused https://other.example: not among HintsHandler.cors.origins (add it there)',
    'PUT /hints is not among HintsHandler.cors.methods',
    'x-token is not allowed (add it to HintsHandler.cors.allowedHeaders)',
    'a page cannot read the X-Total-Count of /hints (add it to HintsHandler.cors.exposedHeaders)',
    'a cookie of /hints will not come back from pages of other sites (set it with SameSite=None; Secure)',
  ]);
});
