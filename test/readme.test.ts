import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routes } from '../src/routes.ts';
import { listen } from './listen.ts';

const json = { 'content-type': 'application/json' };

async function assertProblem(response: Response, status: number): Promise<{ title: string; status: number; detail: string; errors?: unknown }> {
  assert.equal(response.status, status);
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  const problem = (await response.json()) as { title: string; status: number; detail: string };
  assert.equal(problem.status, status);
  assert.ok(problem.title && problem.detail);
  return problem;
}

test('GET / answers {"status":"OK"} to any page', async (t) => {
  const { url } = await listen(t, routes);
  const response = await fetch(url);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.equal(await response.text(), '{"status":"OK"}');
});

test('POST / answers with the body that it received', async (t) => {
  const { url } = await listen(t, routes);
  const response = await fetch(url, { method: 'POST', headers: json, body: '{"a":1}' });
  assert.equal(response.status, 200);
  assert.equal(await response.text(), '{"status":"OK","received":{"a":1}}');
});

test('a preflight is answered with 204, the methods of the class and the headers that a page may send', async (t) => {
  const { url } = await listen(t, routes);
  const response = await fetch(url, {
    method: 'OPTIONS',
    headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type', origin: 'https://app.example.com' },
  });
  assert.equal(response.status, 204);
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.equal(response.headers.get('access-control-allow-methods'), 'GET, HEAD, POST, OPTIONS');
  assert.equal(response.headers.get('access-control-allow-headers'), 'authorization,content-type,x-api-key');
  assert.equal(response.headers.get('access-control-max-age'), '600');
  assert.equal(response.headers.get('content-length'), null);
});

test('HEAD / answers as GET does, with its Content-Length and no body', async (t) => {
  const { url } = await listen(t, routes);
  const response = await fetch(url, { method: 'HEAD' });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-length'), String('{"status":"OK"}'.length));
  assert.equal(await response.text(), '');
});

test('DELETE / answers 405 with Allow', async (t) => {
  const { url } = await listen(t, routes);
  const response = await fetch(url, { method: 'DELETE' });
  assert.equal(response.headers.get('allow'), 'GET, HEAD, POST, OPTIONS');
  await assertProblem(response, 405);
});

test('an unknown path answers 404', async (t) => {
  const { url } = await listen(t, routes);
  await assertProblem(await fetch(`${url}/nope`), 404);
  await assertProblem(await fetch(`${url}/notes/`), 404);
});

test('malformed JSON answers 400 and says where it breaks', async (t) => {
  const { url } = await listen(t, routes);
  const { detail } = await assertProblem(await fetch(url, { method: 'POST', headers: json, body: '{"a":1,,}' }), 400);
  assert.match(detail, /position 7/);
});

test('a note can be created, read, listed, replaced and deleted', async (t) => {
  const { url } = await listen(t, routes);
  const created = await fetch(`${url}/notes`, { method: 'POST', headers: json, body: '{"title":"Milk","text":"two litres"}' });
  assert.equal(created.status, 201);
  const note = (await created.json()) as { id: string; title: string; text: string };
  assert.equal(created.headers.get('location'), `/notes/${note.id}`);
  assert.deepEqual({ title: note.title, text: note.text }, { title: 'Milk', text: 'two litres' });

  const path = url + created.headers.get('location');
  assert.deepEqual(await (await fetch(path)).json(), note);
  const { notes } = (await (await fetch(`${url}/notes`)).json()) as { notes: { id: string }[] };
  assert.deepEqual(notes.find(({ id }) => id === note.id), note);

  const replaced = await fetch(path, { method: 'PUT', headers: json, body: '{"title":"Bread"}' });
  assert.deepEqual(await replaced.json(), { id: note.id, title: 'Bread', text: '' });

  const deleted = await fetch(path, { method: 'DELETE' });
  assert.equal(deleted.status, 204);
  assert.equal(deleted.headers.get('content-length'), null);
  await assertProblem(await fetch(path), 404);
  await assertProblem(await fetch(path, { method: 'DELETE' }), 404);
});

test('a note with faults answers 422 with the path of each', async (t) => {
  const { url } = await listen(t, routes);
  const { errors } = await assertProblem(await fetch(`${url}/notes`, { method: 'POST', headers: json, body: '{"title":"","text":1}' }), 422);
  assert.deepEqual(errors, [
    { detail: 'Give the note a title', pointer: '#/title' },
    { detail: 'Write the text as a string', pointer: '#/text' },
  ]);
});
