import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Server, createServer as createNodeServer } from 'node:http';
import { builtinModules } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Routes, type ServerOptions, createServer, shutdown } from '../../src/http/index.ts';
import { EventsHandler } from './events.ts';
import { FilesHandler } from './files.ts';
import { FormHandler } from './form.ts';
import { CitiesHandler } from './pages.ts';
import { SessionHandler } from './session.ts';
import { PictureHandler } from './upload.ts';
import { WeatherHandler } from './upstream.ts';

const origin = 'https://app.example.com';
const LIMIT = { timeout: 20_000 };

/** Resolves with the address of a server that is closed when the test is over. */
async function listen(t: TestContext, server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (t: TestContext, routes: Routes, options: ServerOptions = {}): Promise<string> =>
  listen(t, createServer(routes, options));

function sending(method: string, type: string, body: string): RequestInit {
  return { method, headers: { 'content-type': type }, body };
}

test('events come one after the other, and end when the server stops', LIMIT, async (t) => {
  EventsHandler.interval = 10;
  const server = createServer({ '/events': EventsHandler });
  const response = await fetch(`${await listen(t, server)}/events`);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  let received = '';
  let stopped: Promise<boolean> | undefined;
  for await (const chunk of response.body!) {
    received += Buffer.from(chunk).toString();
    if (received.split('\n\n').length > 3) stopped ??= shutdown(server);
  }
  assert.match(received, /^(?:data: \{"time":"[^"]+"\}\n\n){3,}$/);
  assert.equal(await stopped, true);
});

test('a file is downloaded with its type and length, and no path leads out of the folder', LIMIT, async (t) => {
  FilesHandler.folder = mkdtempSync(join(tmpdir(), 'files-'));
  t.after(() => rmSync(FilesHandler.folder, { recursive: true }));
  writeFileSync(join(FilesHandler.folder, 'list.csv'), 'a,b\n');
  const url = await serve(t, { '/files/*path': FilesHandler });
  const response = await fetch(`${url}/files/list.csv`);
  assert.equal(response.headers.get('content-type'), 'text/csv');
  assert.equal(response.headers.get('content-length'), '4');
  assert.equal(await response.text(), 'a,b\n');
  assert.equal((await fetch(`${url}/files/none.csv`)).status, 404);
  assert.equal((await fetch(`${url}/files/..%2fpackage.json`)).status, 400);
});

test('a picture comes back as it was sent; other types are refused', LIMIT, async (t) => {
  const url = await serve(t, { '/pictures/:name': PictureHandler });
  const stored = await fetch(`${url}/pictures/cat`, sending('PUT', 'image/png', 'cat'));
  assert.deepEqual(await stored.json(), { length: 3 });
  const picture = await fetch(`${url}/pictures/cat`);
  assert.equal(picture.headers.get('content-type'), 'image/png');
  assert.equal(await picture.text(), 'cat');
  assert.equal((await fetch(`${url}/pictures/cat`, sending('PUT', 'text/html', 'cat'))).status, 415);
});

test('the pictures in memory are limited, and those that are there can still be replaced', LIMIT, async (t) => {
  const url = await serve(t, { '/pictures/:name': PictureHandler });
  const put = async (name: string) =>
    (await fetch(`${url}/pictures/${name}`, sending('PUT', 'image/png', 'cat'))).status;
  for (let count = 0; (await put(String(count))) === 200; count++) assert.ok(count < 20);
  assert.equal(await put('another'), 409);
  assert.equal(await put('0'), 200);
});

test('a form is read in either encoding', LIMIT, async (t) => {
  const url = await serve(t, { '/form': FormHandler });
  const plain = await fetch(`${url}/form`, sending('POST', 'application/x-www-form-urlencoded', 'name=Ada+L'));
  assert.deepEqual(await plain.json(), { name: 'Ada L', attachment: 0 });
  const form = new FormData();
  form.set('name', 'Ada');
  form.set('attachment', new Blob(['four']), 'notes.txt');
  const multipart = await fetch(`${url}/form`, { method: 'POST', body: form });
  assert.deepEqual(await multipart.json(), { name: 'Ada', attachment: 4 });
  assert.equal((await fetch(`${url}/form`, sending('POST', 'multipart/form-data; boundary=x', 'no form'))).status, 400);
  assert.equal((await fetch(`${url}/form`, sending('POST', 'text/plain', 'name=Ada'))).status, 415);
});

test('a session lasts from the login to the logout, for the pages that the server allows', LIMIT, async (t) => {
  const url = await serve(t, { '/session': SessionHandler }, { cors: { origins: [origin], credentials: true } });
  const login = (password: string) =>
    fetch(`${url}/session`, { ...sending('POST', 'application/json', JSON.stringify({ user: 'ada', password })) });
  assert.equal((await login('wrong')).status, 403);
  const loggedIn = await login('lovelace');
  const [cookie] = loggedIn.headers.getSetCookie()[0]!.split('; ');
  assert.match(loggedIn.headers.getSetCookie()[0]!, /; HttpOnly; Secure; SameSite=None;/);
  const headers = { cookie: `other=1; ${cookie}`, origin };
  const whoAmI = await fetch(`${url}/session`, { headers });
  assert.deepEqual(await whoAmI.json(), { user: 'ada' });
  assert.equal(whoAmI.headers.get('access-control-allow-credentials'), 'true');
  const foreign = { ...headers, origin: 'https://evil.example' };
  assert.equal((await fetch(`${url}/session`, { headers: foreign })).status, 403);
  assert.equal((await fetch(`${url}/session`, { method: 'DELETE', headers })).status, 204);
  assert.equal((await fetch(`${url}/session`, { headers })).status, 401);
});

test('only clients that send the API key get in, and preflights are left alone', LIMIT, async (t) => {
  process.env['API_KEY'] = 'secret';
  const { GuardedHandler } = await import('./guarded.ts');
  class Secrets extends GuardedHandler {
    override doGet() {
      return 'secret things';
    }
  }
  const url = await serve(t, { '/': Secrets });
  for (const key of ['', 'wrong', 'secretsecret']) {
    assert.equal((await fetch(url, { headers: { 'x-api-key': key, origin } })).status, 401);
  }
  assert.equal(await (await fetch(url, { headers: { 'x-api-key': 'secret' } })).json(), 'secret things');
  const asking = { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-api-key' };
  assert.equal((await fetch(url, { method: 'OPTIONS', headers: asking })).status, 204);
});

test('another service is asked, its faults are a 502, and a client that leaves ends the call', LIMIT, async (t) => {
  const upstream = createNodeServer((request, response) => {
    if (request.url === '/Oslo') response.end('{"degrees":3}');
    else if (request.url === '/Rome') response.writeHead(500).end();
  });
  WeatherHandler.service = await listen(t, upstream);
  class Quiet extends WeatherHandler {
    override logError() {}
  }
  const url = await serve(t, { '/weather/:city': Quiet });
  assert.deepEqual(await (await fetch(`${url}/weather/Oslo`)).json(), { degrees: 3 });
  assert.equal((await fetch(`${url}/weather/Rome`)).status, 502);
  const asked = once(upstream, 'request');
  const leaving = new AbortController();
  const answer = assert.rejects(fetch(`${url}/weather/Nowhere`, { signal: leaving.signal }));
  const [, response] = await asked;
  const ended = once(response, 'close');
  leaving.abort();
  await Promise.all([answer, ended]);
});

test('a page of another origin can read the number of all items and the links to the other pages', LIMIT, async (t) => {
  const url = await serve(t, { '/cities': CitiesHandler });
  const response = await fetch(`${url}/cities?page=2`, { headers: { origin } });
  assert.deepEqual(await response.json(), { cities: ['Dakar', 'Essen', 'Florence'] });
  assert.equal(response.headers.get('link'), '</cities?page=1>; rel="prev", </cities?page=3>; rel="next"');
  assert.equal(response.headers.get('x-total-count'), '7');
  assert.equal(response.headers.get('access-control-expose-headers'), 'link,x-total-count');
  for (const page of ['0', '4', 'x', '1.5']) assert.equal((await fetch(`${url}/cities?page=${page}`)).status, 400);
});

const hasSqlite = builtinModules.includes('node:sqlite') || builtinModules.includes('sqlite');
const skip = !hasSqlite && 'this Node has no node:sqlite';
test('todos are kept in a database', { ...LIMIT, skip }, async (t) => {
  const { TodosHandler } = await import('./sqlite.ts');
  const url = await serve(t, { '/todos': TodosHandler });
  const title = "Milk'); DROP TABLE todos";
  const created = await fetch(`${url}/todos`, sending('POST', 'application/json', JSON.stringify({ title })));
  assert.equal(created.status, 201);
  assert.deepEqual(await (await fetch(`${url}/todos`)).json(), { todos: [{ id: 1, title }] });
});
