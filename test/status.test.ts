import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HealthHandler } from '../src/handlers/health.ts';
import { shutdown } from '../src/http/index.ts';
import { routes } from '../src/routes.ts';
import { listen } from './listen.ts';

test('responds to GET / with the status OK and allows any origin', async (t) => {
  const { url } = await listen(t, routes);
  const response = await fetch(url);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.deepEqual(await response.json(), { status: 'OK' });
});

test('echoes the request body of POST /', async (t) => {
  const { url } = await listen(t, routes);
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: '{"a":1}' });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { status: 'OK', received: { a: 1 } });
});

test('responds 200 to GET /health', async (t) => {
  const { url } = await listen(t, routes);
  assert.equal((await fetch(`${url}/health`)).status, 200);
});

test('responds 503 to GET /health once a graceful shutdown begins', async (t) => {
  let stopped: Promise<boolean> | undefined;
  class StoppingHandler extends HealthHandler {
    override prepare() {
      stopped = shutdown(server);
    }
  }
  const { server, url } = await listen(t, { '/health': StoppingHandler });
  assert.equal((await fetch(`${url}/health`)).status, 503);
  assert.equal(await stopped, true);
});
