import assert from 'node:assert/strict';
import { test } from 'node:test';
import { config } from '../src/config.ts';
import { routes } from '../src/routes.ts';
import { listen } from './listen.ts';

interface Note {
  id: string;
  title: string;
  text: string;
}

/** The options of a fetch() that sends a value as JSON. */
function sending(method: string, value: unknown): RequestInit {
  return { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

test('a note can be created, read, listed, replaced and deleted', async (t) => {
  const { url } = await listen(t, routes);
  const created = await fetch(`${url}/notes`, sending('POST', { title: 'Milk', text: 'two litres' }));
  assert.equal(created.status, 201);
  const note = (await created.json()) as Note;
  assert.equal(created.headers.get('location'), `/notes/${note.id}`);
  assert.deepEqual(note, { id: note.id, title: 'Milk', text: 'two litres' });

  const address = `${url}/notes/${note.id}`;
  assert.deepEqual(await (await fetch(address)).json(), note);
  const { notes } = (await (await fetch(`${url}/notes`)).json()) as { notes: Note[] };
  assert.deepEqual(notes.find(({ id }) => id === note.id), note);

  const replaced = await fetch(address, sending('PUT', { title: 'Bread' }));
  assert.deepEqual(await replaced.json(), { id: note.id, title: 'Bread', text: '' });

  assert.equal((await fetch(address, { method: 'DELETE' })).status, 204);
  for (const method of ['GET', 'DELETE']) assert.equal((await fetch(address, { method })).status, 404);
  assert.equal((await fetch(address, sending('PUT', { title: 'Bread' }))).status, 404);
});

test('a note with faults answers 422 with the path of each', async (t) => {
  const { url } = await listen(t, routes);
  const response = await fetch(`${url}/notes`, sending('POST', { title: '', text: 1 }));
  assert.equal(response.status, 422);
  const { errors } = (await response.json()) as { errors: unknown };
  assert.deepEqual(errors, [
    { detail: 'Give the note a title', pointer: '#/title' },
    { detail: 'Write the text as a string', pointer: '#/text' },
  ]);
});

test('a note that is too long answers 413', async (t) => {
  const { url } = await listen(t, routes);
  const long = { title: 'Milk', text: 'a'.repeat(10_000) };
  assert.equal((await fetch(`${url}/notes`, sending('POST', long))).status, 413);
});

test('a note beyond NOTES_LIMIT answers 409', async (t) => {
  const { notesLimit } = config;
  t.after(() => (config.notesLimit = notesLimit));
  config.notesLimit = 0;
  const { url } = await listen(t, routes);
  assert.equal((await fetch(`${url}/notes`, sending('POST', { title: 'Milk' }))).status, 409);
});
