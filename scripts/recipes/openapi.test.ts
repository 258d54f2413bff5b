import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler } from '../../src/http/index.ts';
import { listen } from '../../test/listen.ts';
import { withOpenApi } from './openapi.ts';

const LIMIT = { timeout: 20_000 };
const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const;
const info = { title: 'Tasks', version: '1.0.0' };

interface Operation {
  requestBody?: { content: { 'application/json': { schema: object } } };
}
type PathItem = Partial<Record<(typeof METHODS)[number], Operation>> & { parameters: { name: string; in: string }[] };

/** A Standard Schema that has its JSON Schema, as those of zod do. */
const taskSchema = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) => (value === 'task' ? { value } : { issues: [{ message: 'must be "task"' }] }),
    jsonSchema: { input: ({ target }: { target: string }) => ({ const: 'task', $comment: target }) },
  },
};

class TasksHandler extends RequestHandler {
  static readonly bodies = { POST: taskSchema };

  override doGet() {
    return ['task'];
  }

  override async doPost() {
    return { created: await this.readJson(TasksHandler.bodies.POST) };
  }
}

class TaskHandler extends RequestHandler {
  override doGet() {
    return { id: this.param('id') };
  }

  override doDelete() {}
}

class FilesHandler extends RequestHandler {
  override doGet() {
    return this.param('path');
  }
}

const tasks = { '/tasks': TasksHandler, '/tasks/:id': TaskHandler, '/files/*path': FilesHandler };
const routes = () => withOpenApi(tasks, info);

async function documentAt(url: string): Promise<{ openapi: string; info: object; paths: Record<string, PathItem> }> {
  return (await (await fetch(`${url}/openapi.json`)).json()) as Awaited<ReturnType<typeof documentAt>>;
}

test('describes every path with its parameters', LIMIT, async (t) => {
  const { url } = await listen(t, routes());
  const document = await documentAt(url);
  assert.equal(document.openapi, '3.1.1');
  assert.deepEqual(document.info, info);
  const items = Object.entries(document.paths);
  const names = items.map(([path, { parameters }]) => [path, parameters.map(({ name }) => name)]);
  assert.deepEqual(names, [['/tasks', []], ['/tasks/{id}', ['id']], ['/files/{path}', ['path']]]);
});

test('describes the methods that the server supports, and no others', LIMIT, async (t) => {
  const { url } = await listen(t, routes());
  const { paths } = await documentAt(url);
  for (const [path, item] of Object.entries(paths)) {
    for (const method of METHODS) {
      const response = await fetch(url + path.replace(/\{\w+\}/, 'x'), { method: method.toUpperCase() });
      const { code } = (response.ok ? {} : await response.json()) as { code?: string };
      assert.notEqual(code, 'NO_ROUTE', path);
      assert.equal(response.status !== 405, method in item, `${method} ${path}`);
    }
  }
});

test('describes the body that a method accepts', LIMIT, async (t) => {
  const { url } = await listen(t, routes());
  const { paths } = await documentAt(url);
  const { schema } = paths['/tasks']!.post!.requestBody!.content['application/json'];
  assert.deepEqual(schema, { const: 'task', $comment: 'draft-2020-12' });
  const headers = { 'content-type': 'application/json' };
  const post = async (body: string) => (await fetch(`${url}/tasks`, { method: 'POST', headers, body })).status;
  assert.deepEqual([await post('"task"'), await post('"other"')], [200, 422]);
});
