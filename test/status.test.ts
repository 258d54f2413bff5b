import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routes } from '../src/routes.ts';
import { listen } from './listen.ts';

const json = { 'content-type': 'application/json' };

test('GET / answers that all is well, to any page', async (t) => {
  const { url } = await listen(t, routes);
  const response = await fetch(url);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.deepEqual(await response.json(), { status: 'OK' });
});

test('POST / answers with the body that it received', async (t) => {
  const { url } = await listen(t, routes);
  const response = await fetch(url, { method: 'POST', headers: json, body: '{"a":1}' });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { status: 'OK', received: { a: 1 } });
});

test('GET /health answers 200', async (t) => {
  const { url } = await listen(t, routes);
  assert.equal((await fetch(`${url}/health`)).status, 200);
});
