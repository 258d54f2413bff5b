import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Note, notesRoutes } from '../src/handlers/notes.ts';
import { listen } from './listen.ts';

/** Returns the options of a fetch() that sends a value as JSON. */
function sending(method: string, value: unknown): RequestInit {
  return { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

const milk = (): Map<string, Note> => new Map([['1', { title: 'Milk', text: 'two litres' }]]);

test('creates a note and responds with its location', async (t) => {
  const notes = new Map<string, Note>();
  const { url } = await listen(t, notesRoutes(notes));
  const response = await fetch(`${url}/notes`, sending('POST', { title: 'Milk', text: 'two litres' }));
  assert.equal(response.status, 201);
  const [[id, note]] = [...notes] as [[string, Note]];
  assert.deepEqual(note, { title: 'Milk', text: 'two litres' });
  assert.deepEqual(await response.json(), { id, ...note });
  assert.equal(response.headers.get('location'), `/notes/${id}`);
});

test('lists the notes', async (t) => {
  const { url } = await listen(t, notesRoutes(milk()));
  const response = await fetch(`${url}/notes`);
  assert.deepEqual(await response.json(), { notes: [{ id: '1', title: 'Milk', text: 'two litres' }] });
});

test('responds with a note', async (t) => {
  const { url } = await listen(t, notesRoutes(milk()));
  const response = await fetch(`${url}/notes/1`);
  assert.deepEqual(await response.json(), { id: '1', title: 'Milk', text: 'two litres' });
});

test('replaces a note', async (t) => {
  const notes = milk();
  const { url } = await listen(t, notesRoutes(notes));
  const response = await fetch(`${url}/notes/1`, sending('PUT', { title: 'Bread' }));
  assert.deepEqual(await response.json(), { id: '1', title: 'Bread', text: '' });
  assert.deepEqual(notes.get('1'), { title: 'Bread', text: '' });
});

test('deletes a note', async (t) => {
  const notes = milk();
  const { url } = await listen(t, notesRoutes(notes));
  assert.equal((await fetch(`${url}/notes/1`, { method: 'DELETE' })).status, 204);
  assert.equal(notes.size, 0);
});

test('responds 404 to every method of a note that does not exist', async (t) => {
  const { url } = await listen(t, notesRoutes());
  for (const request of [{}, { method: 'DELETE' }, sending('PUT', { title: 'Bread' })]) {
    const response = await fetch(`${url}/notes/1`, request);
    assert.equal(response.status, 404);
    assert.equal(((await response.json()) as { detail: string }).detail, 'Note not found');
  }
});

test('responds 422 to an invalid note and lists the path of each issue', async (t) => {
  const { url } = await listen(t, notesRoutes());
  const response = await fetch(`${url}/notes`, sending('POST', { title: '', text: 1 }));
  assert.equal(response.status, 422);
  const { errors } = (await response.json()) as { errors: unknown };
  assert.deepEqual(errors, [
    { detail: 'title is required and must not be blank', pointer: '#/title' },
    { detail: 'text must be a string', pointer: '#/text' },
  ]);
});

test('responds 413 to a note over the size limit', async (t) => {
  const { url } = await listen(t, notesRoutes(milk()));
  const long = { title: 'Milk', text: 'a'.repeat(10_000) };
  assert.equal((await fetch(`${url}/notes`, sending('POST', long))).status, 413);
  assert.equal((await fetch(`${url}/notes/1`, sending('PUT', long))).status, 413);
});

test('responds 409 when the limit on the number of notes is reached', async (t) => {
  const { url } = await listen(t, notesRoutes(milk(), 1));
  assert.equal((await fetch(`${url}/notes`, sending('POST', { title: 'Bread' }))).status, 409);
});
