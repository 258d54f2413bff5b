import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notesRoutes } from '../../src/handlers/notes.ts';
import { RequestHandler, type Routes } from '../../src/http/index.ts';
import { listen } from '../../test/listen.ts';
import { createClient } from './client.ts';

const LIMIT = { timeout: 20_000 };

class EchoHandler extends RequestHandler {
  override doGet() {
    return { rest: this.param('rest'), word: this.query.get('word'), time: new Date(0) };
  }
}

function routes() {
  return { ...notesRoutes(), '/echo/*rest': EchoHandler } satisfies Routes;
}

test('calls each method with its parameters and body', LIMIT, async (t) => {
  const { url } = await listen(t, routes());
  const call = createClient<ReturnType<typeof routes>>(url);
  const { id } = await call('POST', '/notes', { json: { title: 'Milk' } });
  const note = await call('GET', '/notes/:id', { params: { id } });
  const title: string = note.title;
  assert.equal(title, 'Milk');
  const { notes } = await call('GET', '/notes');
  assert.deepEqual(notes, [note]);
  const deleted: undefined = await call('DELETE', '/notes/:id', { params: { id } });
  assert.equal(deleted, undefined);
});

test('encodes parameters and the query', LIMIT, async (t) => {
  const { url } = await listen(t, routes());
  const call = createClient<ReturnType<typeof routes>>(url);
  const echo = await call('GET', '/echo/*rest', { params: { rest: 'a?/b c' }, query: { word: 'd&e' } });
  const time: string = echo.time;
  assert.deepEqual({ ...echo, time }, { rest: 'a?/b c', word: 'd&e', time: '1970-01-01T00:00:00.000Z' });
});

test('rejects with the detail of an error response', LIMIT, async (t) => {
  const { url } = await listen(t, routes());
  const call = createClient<ReturnType<typeof routes>>(url);
  await assert.rejects(call('GET', '/notes/:id', { params: { id: '1/2' } }), (error: Error) => {
    assert.equal(error.message, 'Note not found');
    assert.equal((error.cause as { status: number }).status, 404);
    return true;
  });
});

/** Contains calls that must not compile. The compiler reports each `@ts-expect-error` that has no error below it. */
export async function wrongCalls(): Promise<void> {
  const call = createClient<ReturnType<typeof routes>>('http://127.0.0.1:8000');
  // @ts-expect-error: the routes lack this path
  await call('GET', '/note');
  // @ts-expect-error: the path has no such method
  await call('DELETE', '/notes');
  // @ts-expect-error: the parameter is missing
  await call('GET', '/notes/:id');
  // @ts-expect-error: the parameter has another name
  await call('GET', '/notes/:id', { params: { name: '1' } });
  // @ts-expect-error: the path has no parameter
  await call('GET', '/notes', { params: { id: '1' } });
  const note = await call('GET', '/notes/:id', { params: { id: '1' } });
  // @ts-expect-error: the response has no such field
  note.titel;
  const { time } = await call('GET', '/echo/*rest', { params: { rest: 'a' } });
  // @ts-expect-error: in JSON, a Date is a string
  time.getTime();
}
