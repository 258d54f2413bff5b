import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routes } from '../src/routes.ts';
import { listen } from './listen.ts';

test('GET / answers {"status":"OK"} to any page', async (t) => {
  const { url } = await listen(t, routes);
  const response = await fetch(url);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.deepEqual(await response.json(), { status: 'OK' });
});
