import assert from 'node:assert/strict';
import { builtinModules } from 'node:module';
import { type TestContext, test } from 'node:test';
import { listen } from '../../test/listen.ts';
import { type Database, todosRoutes } from './sqlite.ts';

// Not 'node:sqlite' itself, whose types Node 20 does not have.
const moduleName: string = 'node:sqlite';
const hasSqlite = builtinModules.some((name) => /^(?:node:)?sqlite$/.test(name));
const options = { timeout: 20_000, skip: !hasSqlite && 'this Node version has no node:sqlite' };

async function listenWithDatabase(t: TestContext): Promise<string> {
  const { DatabaseSync } = (await import(moduleName)) as { DatabaseSync: new (path: string) => Database };
  return (await listen(t, todosRoutes(new DatabaseSync(':memory:')))).url;
}

function create(url: string, title: unknown): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return fetch(`${url}/todos`, { method: 'POST', headers, body: JSON.stringify({ title }) });
}

test('stores a title as it is, and lists it', options, async (t) => {
  const url = await listenWithDatabase(t);
  const title = "Milk'); DROP TABLE todos";
  const created = await create(url, title);
  assert.equal(created.status, 201);
  assert.equal(created.headers.get('location'), '/todos/1');
  assert.deepEqual(await created.json(), { id: 1, title });
  assert.deepEqual(await (await fetch(`${url}/todos`)).json(), { todos: [{ id: 1, title }] });
});

test('deletes a todo, and responds 404 if there is none', options, async (t) => {
  const url = await listenWithDatabase(t);
  await create(url, 'Milk');
  const remove = async (id: string) => (await fetch(`${url}/todos/${id}`, { method: 'DELETE' })).status;
  assert.deepEqual([await remove('1'), await remove('1'), await remove('x')], [204, 404, 404]);
});

test('responds 422 without a title', options, async (t) => {
  const url = await listenWithDatabase(t);
  for (const title of [undefined, '', 1]) assert.equal((await create(url, title)).status, 422);
});
