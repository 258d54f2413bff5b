import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { listen } from '../../test/listen.ts';
import { filesRoutes } from './files.ts';
import { FormHandler } from './form.ts';
import { guardedBy } from './guarded.ts';
import { CitiesHandler } from './pages.ts';
import { picturesRoutes } from './upload.ts';
import { weatherRoutes } from './upstream.ts';

const LIMIT = { timeout: 20_000 };
const origin = 'https://app.example.com';

function sending(method: string, type: string, body: string): RequestInit {
  return { method, headers: { 'content-type': type }, body };
}

test('files.ts downloads a file with its type and length', LIMIT, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'files-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'list.csv'), 'a,b\n');
  const { url } = await listen(t, filesRoutes(folder));
  const response = await fetch(`${url}/files/list.csv`);
  assert.equal(response.headers.get('content-type'), 'text/csv');
  assert.equal(response.headers.get('content-length'), '4');
  assert.equal(await response.text(), 'a,b\n');
  assert.equal((await fetch(`${url}/files/none.csv`)).status, 404);
});

const noPipes = spawnSync('mkfifo').error !== undefined && 'mkfifo, which makes a named pipe, is not installed';

test('files.ts responds 404 to a named pipe, and 200 to an empty file', { ...LIMIT, skip: noPipes }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'files-'));
  t.after(() => rmSync(folder, { recursive: true }));
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  writeFileSync(join(folder, 'empty.csv'), '');
  const { url } = await listen(t, filesRoutes(folder));
  assert.equal((await fetch(`${url}/files/pipe`)).status, 404);
  const empty = await fetch(`${url}/files/empty.csv`);
  assert.deepEqual([empty.status, await empty.text()], [200, '']);
});

test('files.ts rejects paths that lead out of the folder', LIMIT, async (t) => {
  const { url } = await listen(t, filesRoutes(join(import.meta.dirname, 'none')));
  assert.equal((await fetch(`${url}/files/..%2ffiles.ts`)).status, 400);
});

test('upload.ts responds with a picture as it was uploaded', LIMIT, async (t) => {
  const { url } = await listen(t, picturesRoutes());
  const stored = await fetch(`${url}/pictures/cat`, sending('PUT', 'image/png', 'cat'));
  assert.deepEqual(await stored.json(), { length: 3 });
  const picture = await fetch(`${url}/pictures/cat`);
  assert.equal(picture.headers.get('content-type'), 'image/png');
  assert.equal(picture.headers.get('content-length'), '3');
  assert.equal(await picture.text(), 'cat');
});

test('upload.ts rejects other media types', LIMIT, async (t) => {
  const { url } = await listen(t, picturesRoutes());
  assert.equal((await fetch(`${url}/pictures/cat`, sending('PUT', 'text/html', 'cat'))).status, 415);
});

test('upload.ts limits the number of pictures, but not their replacement', LIMIT, async (t) => {
  const { url } = await listen(t, picturesRoutes(new Map(), 1));
  const put = async (name: string) =>
    (await fetch(`${url}/pictures/${name}`, sending('PUT', 'image/png', 'cat'))).status;
  assert.deepEqual([await put('one'), await put('two'), await put('one')], [200, 409, 200]);
});

test('form.ts reads a form in either encoding', LIMIT, async (t) => {
  const { url } = await listen(t, { '/form': FormHandler });
  const plain = await fetch(`${url}/form`, sending('POST', 'application/x-www-form-urlencoded', 'name=Ada+L'));
  assert.deepEqual(await plain.json(), { name: 'Ada L', attachment: 0 });
  const form = new FormData();
  form.set('name', 'Ada');
  form.set('attachment', new Blob(['four']), 'notes.txt');
  const multipart = await fetch(`${url}/form`, { method: 'POST', body: form });
  assert.deepEqual(await multipart.json(), { name: 'Ada', attachment: 4 });
});

test('form.ts rejects a body that is not a form', LIMIT, async (t) => {
  const { url } = await listen(t, { '/form': FormHandler });
  assert.equal((await fetch(`${url}/form`, sending('POST', 'multipart/form-data; boundary=x', 'no form'))).status, 400);
  assert.equal((await fetch(`${url}/form`, sending('POST', 'text/plain', 'name=Ada'))).status, 415);
});

test('guarded.ts requires the API key, except for preflights', LIMIT, async (t) => {
  class SecretsHandler extends guardedBy('secret') {
    override doGet() {
      return 'secret things';
    }
  }
  const { url } = await listen(t, { '/': SecretsHandler });
  for (const key of ['', 'wrong!', 'secretsecret']) {
    assert.equal((await fetch(url, { headers: { 'x-api-key': key, origin } })).status, 401);
  }
  assert.equal(await (await fetch(url, { headers: { 'x-api-key': 'secret' } })).json(), 'secret things');
  const preflight = { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-api-key' };
  assert.equal((await fetch(url, { method: 'OPTIONS', headers: preflight })).status, 204);
});

test('guarded.ts rejects every request if the API key is empty', LIMIT, async (t) => {
  class SecretsHandler extends guardedBy('') {
    override doGet() {
      return 'secret things';
    }
  }
  const { url } = await listen(t, { '/': SecretsHandler });
  assert.equal((await fetch(url, { headers: { 'x-api-key': '' } })).status, 401);
});

test('upstream.ts responds 502 to errors of the service, and aborts its call', LIMIT, async (t) => {
  const service = createServer((request, response) => {
    if (request.url === '/?city=Oslo') response.end('{"degrees":3}');
    else if (request.url === '/?city=Rome') response.writeHead(500).end();
  });
  await once(service.listen(0, '127.0.0.1'), 'listening');
  t.after(() => service.close().closeAllConnections());
  const routes = weatherRoutes(`http://127.0.0.1:${(service.address() as AddressInfo).port}`);
  class QuietHandler extends routes['/weather/:city'] {
    override logError() {}
  }
  const { url } = await listen(t, { '/weather/:city': QuietHandler });
  assert.deepEqual(await (await fetch(`${url}/weather/Oslo`)).json(), { degrees: 3 });
  assert.equal((await fetch(`${url}/weather/Rome`)).status, 502);
  const called = once(service, 'request');
  const client = new AbortController();
  const rejection = assert.rejects(fetch(`${url}/weather/Nowhere`, { signal: client.signal }));
  const [, response] = await called;
  const aborted = once(response, 'close');
  client.abort();
  await Promise.all([rejection, aborted]);
});

test('pages.ts lets pages of other origins read the total and the links', LIMIT, async (t) => {
  const { url } = await listen(t, { '/cities': CitiesHandler });
  const response = await fetch(`${url}/cities?page=2`, { headers: { origin } });
  assert.deepEqual(await response.json(), { cities: ['Dakar', 'Essen', 'Florence'] });
  assert.equal(response.headers.get('link'), '<?page=1>; rel="prev", <?page=3>; rel="next"');
  assert.equal(response.headers.get('x-total-count'), '7');
  assert.equal(response.headers.get('access-control-expose-headers'), 'link,x-total-count');
});

test('pages.ts rejects pages that do not exist', LIMIT, async (t) => {
  const { url } = await listen(t, { '/cities': CitiesHandler });
  for (const page of ['0', '4', 'x', '1.5']) assert.equal((await fetch(`${url}/cities?page=${page}`)).status, 400);
});
