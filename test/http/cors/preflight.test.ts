import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CorsOptions } from '../../../src/http/index.ts';
import { any, anyHeaders, corsOf, page, preflight, send, some, Things } from '../support/cors.ts';
import { listen } from '../support/listen.ts';

test('responds to a preflight with the lists, and without body or Content-Length', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: any });
  const response = await send(port, 'OPTIONS', preflight('PUT', 'x-token'));
  assert.equal(response.statusCode, 204);
  assert.equal(response.headers['content-length'], undefined);
  assert.equal(response.headers['allow'], undefined);
  assert.deepEqual(corsOf(response), {
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'GET, HEAD, PUT, OPTIONS',
    'access-control-allow-headers': 'authorization,content-type,x-api-key',
    'access-control-max-age': '600',
  });
  const { port: other } = await listen(t, { '/': Things }, { cors: some });
  assert.deepEqual(corsOf(await send(other, 'OPTIONS', preflight('PUT', 'x-token'))), {
    'access-control-allow-origin': page,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, HEAD, PUT, OPTIONS',
    'access-control-allow-headers': 'x-token',
    'access-control-max-age': '60',
    vary: 'Origin',
  });
});

test('responds to a disallowed preflight with the actual allow lists', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: some });
  const permitted = corsOf(await send(port, 'OPTIONS', preflight('PUT')));
  for (const headers of [
    preflight('DELETE'), preflight('put'), preflight('PUT', 'x-other'), preflight('GARBAGE!', ';;,,'),
  ]) {
    const response = await send(port, 'OPTIONS', headers);
    assert.equal(response.statusCode, 204);
    assert.deepEqual(corsOf(response), permitted);
  }
});

test('allows the common methods for an unknown path, so that a page can read the 404', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: { ...some, methods: ['GET'] } });
  const response = await send(port, 'OPTIONS', preflight('PATCH'), '/nope');
  assert.equal(response.statusCode, 204);
  assert.equal(response.headers['access-control-allow-methods'], 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS');
});

test('responds to a non-preflight OPTIONS with Allow', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: any });
  for (const headers of [
    {},
    { origin: page },
    { 'access-control-request-method': 'PUT' },
    { origin: page, 'access-control-request-method': '' },
  ]) {
    const response = await send(port, 'OPTIONS', headers);
    assert.equal(response.statusCode, 204);
    assert.equal(response.headers.allow, 'GET, HEAD, PUT, OPTIONS');
    assert.deepEqual(corsOf(response), anyHeaders);
  }
});

test('restricts Access-Control-Allow-Methods, but not Allow, to `methods`', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: { ...any, methods: ['GET', 'PATCH'] } });
  assert.equal((await send(port, 'OPTIONS', preflight('PUT'))).headers['access-control-allow-methods'], 'GET');
  assert.equal((await send(port, 'OPTIONS', {})).headers.allow, 'GET, HEAD, PUT, OPTIONS');
});

test("sends `*,authorization` for allowedHeaders '*' without credentials", async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: { origins: [page], allowedHeaders: '*' } });
  const { headers } = await send(port, 'OPTIONS', preflight('PUT', 'x-a'));
  assert.equal(headers['access-control-allow-headers'], '*,authorization');
});

test("echoes valid requested names for allowedHeaders '*' with credentials", async (t) => {
  const cors: CorsOptions = { origins: [page], credentials: true, allowedHeaders: '*' };
  const { port } = await listen(t, { '/': Things }, { cors });
  const allowed = async (asked?: string) => {
    const { headers } = await send(port, 'OPTIONS', preflight('PUT', asked));
    return headers['access-control-allow-headers'];
  };
  assert.equal(await allowed('authorization,x-a'), 'authorization,x-a');
  assert.equal(await allowed('X-A , x-b'), 'x-a,x-b');
  for (const invalid of [undefined, '', 'x a', 'x-a,,x-b', 'x-a;x-b', 'x-é', `x-${'a'.repeat(2000)}`]) {
    assert.equal(await allowed(invalid), undefined);
  }
});

test('ignores the requested headers, however many there are', async (t) => {
  const { port } = await listen(t, { '/': Things }, { cors: some });
  const short = await send(port, 'OPTIONS', preflight('PUT', 'x-token'));
  for (const list of ['a,'.repeat(6000), ','.repeat(12_000), 'x'.repeat(12_000), `${' '.repeat(12_000)}a`]) {
    const response = await send(port, 'OPTIONS', preflight('PUT', list));
    assert.equal(response.statusCode, 204);
    assert.deepEqual(corsOf(response), corsOf(short));
  }
});
