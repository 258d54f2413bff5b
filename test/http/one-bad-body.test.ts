import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { RequestHandler, type StandardSchema } from '../../src/http/index.ts';
import { type Answer, soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { within } from '../waiting.ts';

const LIMIT = { timeout: 20_000 };
const JSON_TYPE = 'Content-Type: application/json';

/** Refuses everything. */
const nothing: StandardSchema = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => ({ issues: [{ message: 'nothing is good', path: Object.keys(value as object) }] }),
  },
};

/** Refuses everything, with a throw of its own. */
const broken: StandardSchema = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: () => {
      throw new Error('secret');
    },
  },
};

function post(path: string, body: string, headers: readonly string[] = [JSON_TYPE, 'Connection: close']): string {
  return requestBytes(`POST ${path}`, [...headers, `Content-Length: ${Buffer.byteLength(body)}`], body);
}

/** Begins to read, does something else, and only then looks at what came of it. */
class Later extends RequestHandler {
  override async doPost() {
    const read = this.query.has('bytes')
      ? this.readBody()
      : this.query.has('schema')
        ? this.readJson(nothing)
        : this.query.has('broken')
          ? this.readJson(broken)
          : this.readJson();
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    return await read;
  }
  override async doPut() {
    void this.readJson();
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    return 'never looked at';
  }
  override logError() {}
}

const bodies: [what: string, request: string, status: number][] = [
  ['that is no JSON', post('/', '{'), 400],
  ['of another media type', post('/', '{}', ['Content-Type: text/plain', 'Connection: close']), 415],
  ['that is announced too long', post('/', '"12345678901"'), 413],
  [
    'that turns out too long',
    requestBytes(
      'POST /',
      [JSON_TYPE, 'Transfer-Encoding: chunked', 'Connection: close'],
      'd\r\n"12345678901"\r\n0\r\n\r\n',
    ),
    413,
  ],
  ['that is empty', post('/', ''), 400],
  ['that a schema refuses', post('/?schema', '{"a":1}'), 422],
  ['whose schema throws', post('/?broken', '{"a":1}'), 500],
  ['that is no JSON, for a schema', post('/?schema', '{'), 400],
  ['that is too long, as bytes', post('/?bytes', '12345678901'), 413],
  ['that nobody looks at', post('/', '{').replace('POST', 'PUT'), 200],
];
// The test runner lets a test fail in which a rejection is not handled.
for (const [what, request, status] of bodies) {
  test(
    `a body ${what} is answered ${status}, and no unhandled rejection, where it is awaited later`,
    LIMIT,
    async (t) => {
      const rejected: unknown[] = [];
      const note = (reason: unknown): void => void rejected.push(reason);
      process.on('unhandledRejection', note);
      t.after(() => process.off('unhandledRejection', note));
      const { port } = await listen(t, { '/': Later }, { bodyLimit: 10 });
      soundAnswers(await sendRaw(t, port, request), [status]);
      assert.deepEqual(rejected, []);
    },
  );
}

test('a client that leaves while nobody awaits its body is no unhandled rejection', LIMIT, async (t) => {
  const rejected: unknown[] = [];
  const note = (reason: unknown): void => void rejected.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  let over!: () => void;
  const end = new Promise<void>((resolve) => (over = resolve));
  class Left extends RequestHandler {
    override async doPost() {
      const read = this.readJson();
      await once(this.signal, 'abort');
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      over();
      return await read;
    }
  }
  const { port, server } = await listen(t, { '/': Left });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 100'], '{'));
  await once(server, 'request');
  connection.socket.destroy();
  await within('the method to go on', end);
  assert.deepEqual(rejected, []);
});

class Checked extends RequestHandler {
  override async doPost() {
    await this.readJson(nothing);
  }
}

async function pointerOf(t: Parameters<typeof sendRaw>[0], port: number, body: string): Promise<string> {
  const [answer] = soundAnswers(await sendRaw(t, port, post('/', body)), [422]) as [Answer];
  const { errors } = JSON.parse(answer.body!) as { errors: { detail: string; pointer: string }[] };
  assert.equal(errors[0]!.detail, 'nothing is good');
  return errors[0]!.pointer;
}

test('a key with a lone surrogate is answered 422 with a pointer, as any other key is', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Checked });
  for (const key of ['\\ud800', '\\udc00', 'a\\ud800b', '\\udc00\\ud800', '\\ud83d']) {
    assert.match(await pointerOf(t, port, `{"${key}":1}`), /^#\/[\x21-\x7e]+$/, key);
  }
  assert.equal(await pointerOf(t, port, '{"\\ud83d\\ude00":1}'), '#/%F0%9F%98%80');
  assert.equal(await pointerOf(t, port, '{"a/b~c d":1}'), '#/a~1b~0c%20d');
});

test('a symbol in the path of an issue, or a path that is empty, is answered 422 too', LIMIT, async (t) => {
  const paths: (readonly PropertyKey[] | undefined)[] = [[Symbol('s'), 1], [], undefined];
  for (const path of paths) {
    class Refuses extends RequestHandler {
      override async doPost() {
        await this.readJson({
          '~standard': {
            version: 1,
            vendor: 'test',
            validate: () => ({ issues: [path ? { message: 'no', path } : { message: 'no' }] }),
          },
        });
      }
    }
    const { port } = await listen(t, { '/': Refuses });
    soundAnswers(await sendRaw(t, port, post('/', '{}')), [422]);
  }
});
