import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError, RequestHandler, type Routes } from '../../src/http/index.ts';
import { listen } from '../../test/listen.ts';
import { createClient } from './client.ts';

const LIMIT = { timeout: 20_000 };

interface Task {
  title: string;
  done: boolean;
}

/** A Standard Schema whose input and output have types, as those of zod do. Without `done`, it is false. */
const taskSchema = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) => ({ value: { done: false, ...(value as { title: string }) } }),
    types: undefined as { input: { title: string; done?: boolean }; output: Task } | undefined,
  },
};

function tasksRoutes() {
  const tasks = new Map<string, Task>();

  class TasksHandler extends RequestHandler {
    static readonly bodies = { POST: taskSchema };

    override doGet() {
      return { tasks: [...tasks.values()] };
    }

    override async doPost() {
      const task = await this.readJson(TasksHandler.bodies.POST);
      const id = String(tasks.size);
      tasks.set(id, task);
      return { id };
    }
  }

  class TaskHandler extends RequestHandler {
    override doGet() {
      const task = tasks.get(this.param('id'));
      if (!task) throw new HttpError(404, 'Task not found');
      return task;
    }

    override doDelete() {
      tasks.delete(this.param('id'));
    }
  }

  return { '/tasks': TasksHandler, '/tasks/:id': TaskHandler };
}

class EchoHandler extends RequestHandler {
  override doGet() {
    return { rest: this.param('rest'), word: this.query.get('word'), time: new Date(0) };
  }
}

function routes() {
  return { ...tasksRoutes(), '/echo/*rest': EchoHandler } satisfies Routes;
}

test('calls each method with its parameters and body', LIMIT, async (t) => {
  const { url } = await listen(t, routes());
  const call = createClient<ReturnType<typeof routes>>(url);
  const { id } = await call('POST', '/tasks', { json: { title: 'Shop' } });
  const task: Task = await call('GET', '/tasks/:id', { params: { id } });
  assert.deepEqual(task, { title: 'Shop', done: false });
  const { tasks } = await call('GET', '/tasks');
  assert.deepEqual(tasks, [task]);
  const deleted: undefined = await call('DELETE', '/tasks/:id', { params: { id } });
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
  await assert.rejects(call('GET', '/tasks/:id', { params: { id: '1/2' } }), (error: Error) => {
    assert.equal(error.message, 'Task not found');
    assert.equal((error.cause as { status: number }).status, 404);
    return true;
  });
});

test('rejects a parameter that leads to another path', LIMIT, async () => {
  const call = createClient<ReturnType<typeof routes>>('http://127.0.0.1:8000');
  for (const id of ['..', '.']) {
    await assert.rejects(call('GET', '/tasks/:id', { params: { id } }), /A parameter leads out of \/tasks\/:id/);
  }
});

/** Contains calls that must not compile. The compiler reports each `@ts-expect-error` that has no error below it. */
export async function wrongCalls(): Promise<void> {
  const call = createClient<ReturnType<typeof routes>>('http://127.0.0.1:8000');
  // @ts-expect-error: this path does not exist
  await call('GET', '/task');
  // @ts-expect-error: the path has no such method
  await call('DELETE', '/tasks');
  // @ts-expect-error: the parameter is missing
  await call('GET', '/tasks/:id');
  // @ts-expect-error: the parameter has another name
  await call('GET', '/tasks/:id', { params: { name: '1' } });
  // @ts-expect-error: the path has no parameter
  await call('GET', '/tasks', { params: { id: '1' } });
  // @ts-expect-error: the body has no such field
  await call('POST', '/tasks', { json: { titel: 'Shop' } });
  // @ts-expect-error: this field of the body is not a number
  await call('POST', '/tasks', { json: { title: 1 } });
  const task = await call('GET', '/tasks/:id', { params: { id: '1' } });
  // @ts-expect-error: the response has no such field
  task.titel;
  const { time } = await call('GET', '/echo/*rest', { params: { rest: 'a' } });
  // @ts-expect-error: in JSON, a Date is a string
  time.getTime();
}
