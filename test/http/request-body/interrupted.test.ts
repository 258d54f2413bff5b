import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createWriteStream, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { type AccessLogEntry, HttpError, RequestHandler } from '../../../src/http/index.ts';
import { announced, Connection, JSON_TYPE } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { eventually, untilNoConnections, within } from '../support/within.ts';

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'upload-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

type Read = (handler: RequestHandler, folder: string) => Promise<unknown>;

const reads: Record<string, Read> = {
  'readJson()': (handler) => handler.readJson(),
  'readBody()': (handler) => handler.readBody(),
  'pipeline()': ({ request }, folder) => pipeline(request, createWriteStream(join(folder, 'file'))),
  'for await': async ({ request }) => {
    for await (const chunk of request) void chunk;
  },
};
const interruptions: Record<string, (connection: Connection) => unknown> = {
  'ends its side': ({ socket }) => socket.end(),
  'resets the connection': ({ socket }) => socket.resetAndDestroy(),
  'sends nothing more': () => {},
};

for (const [interruption, interrupt] of Object.entries(interruptions)) {
  for (const [how, read] of Object.entries(reads)) {
    for (const when of ['before', 'after']) {
      test(`rejects ${how} begun ${when} a client ${interruption}`, async (t) => {
        const folder = temporaryFolder(t);
        const logged: unknown[] = [];
        const entries: AccessLogEntry[] = [];
        let running = 0;
        let rejected = 0;
        class Upload extends RequestHandler {
          override async doPost() {
            running++;
            try {
              if (when === 'after') await new Promise((resolve) => this.signal.addEventListener('abort', resolve));
              return await read(this, folder);
            } catch (error) {
              rejected++;
              throw error;
            }
          }
          override logRequest(entry: AccessLogEntry) {
            entries.push(entry);
          }
          override logError(error: unknown) {
            logged.push(error);
          }
        }
        const { port, server } = await listen(t, { '/': Upload }, { requestTimeout: 0.4 });
        const connection = await Connection.open(t, port);
        connection.send(announced('POST /', 200, [JSON_TYPE]) + '{');
        await eventually('the handler runs', () => running === 1);
        interrupt(connection);
        await eventually('the body was rejected', () => rejected === 1);
        await connection.closed;
        await untilNoConnections(server);
        assert.deepEqual(logged, []);
        assert.equal(entries.length, 1);
        if (interruption !== 'sends nothing more') assert.equal(entries[0]!.outcome, 'client disconnected');
      });
    }
  }
}

test('closes every file that 50 interrupted uploads have opened', { skip: process.platform !== 'linux' }, async (t) => {
  const folder = temporaryFolder(t);
  let finished = 0;
  class Upload extends RequestHandler {
    override async doPost() {
      try {
        await pipeline(this.request, createWriteStream(join(folder, this.query.get('file')!)));
      } finally {
        finished++;
      }
    }
  }
  const openFiles = () => readdirSync('/proc/self/fd').filter((number) => {
    try {
      return readlinkSync(`/proc/self/fd/${number}`).startsWith(folder);
    } catch {
      return false;
    }
  });
  const { port } = await listen(t, { '/': Upload });
  for (let file = 0; file < 50; file++) {
    const connection = await Connection.open(t, port);
    connection.send(announced(`POST /?file=${file}`, 200) + '{');
    await eventually('the file is open', () => readdirSync(folder).includes(String(file)));
    if (file % 2) connection.socket.end();
    else connection.socket.resetAndDestroy();
  }
  await eventually('all uploads have ended', () => finished === 50);
  await eventually('all files are closed', () => openFiles().length === 0);
});

const early: Record<string, Read> = {
  'breaks out of for await': async ({ request }) => {
    for await (const chunk of request) if (chunk.length > 0) break;
    throw new HttpError(418);
  },
  'throws inside for await': async ({ request }) => {
    for await (const chunk of request) if (chunk.length > 0) throw new HttpError(418);
  },
  'pipes to a failing stream': async ({ request }) => {
    const failing = new Writable({ write: (_chunk, _encoding, done) => done(new HttpError(418)) });
    await pipeline(request, failing);
  },
};
for (const [what, read] of Object.entries(early)) {
  for (const [size, sent] of [[100, 'all'], [100_000, 'part of'], [3_000_000, 'all']] as const) {
    test(`sends the status if the handler ${what}: ${sent} ${size} bytes`, async (t) => {
      class Upload extends RequestHandler {
        override async doPost() {
          await read(this, '');
        }
        override doGet() {
          return 'on';
        }
        override logError(error: unknown) {
          assert.fail(error as Error);
        }
      }
      const { port, server } = await listen(t, { '/': Upload });
      const connection = await Connection.open(t, port);
      connection.send(announced('POST /', size) + 'a'.repeat(sent === 'all' ? size : size / 2));
      const received = await connection.until(/\}$/);
      const [response] = expectResponses(received, [418]);
      if (response!.headers.get('connection') === 'close') await connection.untilClosed();
      connection.socket.destroy();
      await untilNoConnections(server);
    });
  }
}

test('does not respond 408 while a handler works on without the rest of its body', async (t) => {
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  class Upload extends RequestHandler {
    override async doPost() {
      for await (const chunk of this.request) if (chunk.length > 0) break;
      await released;
      return 'enough';
    }
  }
  const { port } = await listen(t, { '/': Upload }, { requestTimeout: 0.2, handlerTimeout: 30 });
  const connection = await Connection.open(t, port);
  connection.send(announced('POST /', 100) + 'half');
  const other = await Connection.open(t, port);
  other.send('GET');
  await other.untilClosed();
  const third = await Connection.open(t, port);
  third.send('GET');
  await third.untilClosed();
  release();
  expectResponses(await connection.untilClosed(), [200]);
});

test('logs the error of another stream in the pipeline of a body', async (t) => {
  const logged: unknown[] = [];
  class Full extends RequestHandler {
    override async doPost() {
      const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error('The disk is full')) });
      await pipeline(this.request, full);
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { url } = await listen(t, { '/': Full });
  assert.equal((await fetch(url, { method: 'POST', body: Buffer.alloc(500_000) })).status, 500);
  assert.deepEqual(logged.map(String), ['Error: The disk is full']);
});

test('logs an error that a handler destroys the request with', async (t) => {
  const logged: unknown[] = [];
  class Piped extends RequestHandler {
    override async doPost() {
      const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error('The disk is full')) });
      full.on('error', (error) => this.request.destroy(error));
      await finished(this.request.pipe(full));
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Piped });
  const connection = await Connection.open(t, port);
  connection.send(`${announced('POST /', 1000)}${'x'.repeat(500)}`);
  await eventually('the error was logged', () => logged.length > 0);
  assert.deepEqual(logged.map(String), ['Error: The disk is full']);
});

for (const leave of ['destroy', 'resetAndDestroy'] as const) {
  test(`does not log a disconnect that an error of the handler wraps: ${leave}()`, async (t) => {
    const events = new EventEmitter();
    const logged: unknown[] = [];
    class Wraps extends RequestHandler {
      override async doPost() {
        events.emit('called');
        try {
          await this.readBody();
        } catch (error) {
          throw new Error('The upload failed', { cause: error });
        }
      }
      override logError(error: unknown) {
        logged.push(error);
      }
      override logRequest(entry: AccessLogEntry) {
        logged.push(entry.outcome);
      }
    }
    const { port } = await listen(t, { '/': Wraps });
    const connection = await Connection.open(t, port);
    const called = once(events, 'called');
    connection.send(`${announced('POST /', 1000)}${'x'.repeat(500)}`);
    await within('the method was called', called);
    connection.socket[leave]();
    await eventually('the request was logged', () => logged.length > 0);
    await new Promise(setImmediate);
    assert.deepEqual(logged, ['client disconnected']);
  });
}

test('does not abort a method that continues when its client leaves', async (t) => {
  const events = new EventEmitter();
  let isAborted: boolean | undefined;
  class Acknowledges extends RequestHandler {
    override async doPost() {
      this.sendJson('accepted');
      await once(events, 'the connection has closed');
      isAborted = this.signal.aborted;
    }
  }
  const { port, server } = await listen(t, { '/': Acknowledges });
  const connection = await Connection.open(t, port);
  connection.send(`${announced('POST /', 2)}{}`);
  await connection.until('accepted');
  connection.socket.destroy();
  await untilNoConnections(server);
  events.emit('the connection has closed');
  await eventually('the method has read its signal', () => isAborted !== undefined);
  assert.equal(isAborted, false);
});
