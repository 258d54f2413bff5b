import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { RequestHandler, type StandardSchema } from '../../../src/http/index.ts';
import { Connection, JSON_TYPE, requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { within } from '../support/within.ts';

/** Rejects everything. */
const nothing: StandardSchema = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => ({ issues: [{ message: 'nothing is good', path: Object.keys(value as object) }] }),
  },
};

/** Throws on everything. */
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

/** Starts reading, does other work, and awaits the result later. */
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
  ['with invalid JSON', post('/', '{'), 400],
  ['with another media type', post('/', '{}', ['Content-Type: text/plain', 'Connection: close']), 415],
  ['with a too large length', post('/', '"12345678901"'), 413],
  [
    'with too many chunks',
    requestBytes(
      'POST /',
      [JSON_TYPE, 'Transfer-Encoding: chunked', 'Connection: close'],
      'd\r\n"12345678901"\r\n0\r\n\r\n',
    ),
    413,
  ],
  ['without content', post('/', ''), 400],
  ['rejected by a schema', post('/?schema', '{"a":1}'), 422],
  ['whose schema throws', post('/?broken', '{"a":1}'), 500],
  ['that is invalid JSON', post('/?schema', '{'), 400],
  ['with too many bytes', post('/?bytes', '12345678901'), 413],
  ['that is never awaited', post('/', '{').replace('POST', 'PUT'), 200],
];
// The test runner fails a test on an unhandled rejection.
for (const [what, request, status] of bodies) {
  test(`responds ${status} without an unhandled rejection to a body ${what}`, async (t) => {
    const rejected: unknown[] = [];
    const note = (reason: unknown): void => void rejected.push(reason);
    process.on('unhandledRejection', note);
    t.after(() => process.off('unhandledRejection', note));
    const { port } = await listen(t, { '/': Later }, { bodyLimit: 10 });
    expectResponses(await sendRaw(t, port, request), [status]);
    assert.deepEqual(rejected, []);
  });
}

test('causes no unhandled rejection if the client disconnects before the await', async (t) => {
  const rejected: unknown[] = [];
  const note = (reason: unknown): void => void rejected.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  let over!: () => void;
  const end = new Promise<void>((resolve) => (over = resolve));
  class Disconnected extends RequestHandler {
    override async doPost() {
      const read = this.readJson();
      await once(this.signal, 'abort');
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      over();
      return await read;
    }
  }
  const { port, server } = await listen(t, { '/': Disconnected });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 100'], '{'));
  await once(server, 'request');
  connection.socket.destroy();
  await within('the method to go on', end);
  assert.deepEqual(rejected, []);
});

test('responds 422 without an unhandled rejection to a query awaited later', async (t) => {
  const rejected: unknown[] = [];
  const note = (reason: unknown): void => void rejected.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  class LaterQuery extends RequestHandler {
    override async doGet() {
      const read = this.readQuery(nothing);
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      return await read;
    }
  }
  const { port } = await listen(t, { '/': LaterQuery });
  expectResponses(await sendRaw(t, port, requestBytes('GET /?page=1', ['Connection: close'])), [422]);
  assert.deepEqual(rejected, []);
});
