import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { type TestContext, describe, test } from 'node:test';
import { soundAnswers } from './answers.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { ServerProcess } from './server-process.ts';
import { within } from './waiting.ts';

const LIMIT = { timeout: 60_000 };
const ask = (path: string) => requestBytes(`GET ${path}`, ['Connection: close']);

function start(t: TestContext, log: 'text' | 'json' | 'off', timeout = 2): ServerProcess {
  return new ServerProcess(t, { log, handlerTimeout: 0, shutdown: { timeout } }, 'signals-server.ts');
}

/** An upload that has begun: its rest is sent with `finish`, which resolves once it is answered. */
async function upload(t: TestContext, port: number): Promise<{ finish: () => Promise<void> }> {
  const connection = await Connection.open(t, port);
  connection.send(
    requestBytes('POST /upload', ['Content-Type: application/json', 'Content-Length: 2', 'Expect: 100-continue']),
  );
  await connection.until('100 Continue');
  return {
    async finish() {
      connection.send('[]');
      const [, answer] = soundAnswers(await within('the answer to the upload', connection.untilClosed()), [100, 200]);
      assert.equal(answer!.headers.get('connection'), 'close');
    },
  };
}

/** Sees an idle connection close, which is how the stop shows itself. */
async function throwWhileInHand(t: TestContext, port: number, target: string): Promise<void> {
  const inHand = await upload(t, port);
  const idle = await Connection.open(t, port);
  soundAnswers(await sendRaw(t, port, ask(target)), [200]);
  assert.equal(await within('the stop', idle.untilClosed()), '');
  await inHand.finish();
}

// Each has a process of its own, and spends most of its time waiting.
describe('a process that ends', { concurrency: 4 }, () => {
  const thrown: [log: 'json' | 'text', target: string, logged: RegExp][] = [
    ['json', '/throws/null', /\bnull\b/],
    ['json', '/throws/text', /only a text/],
    ['json', '/throws/object', /only an object/],
    ['json', '/throws/error?rejected', /Error: an error[^]*Error: its cause/],
    ['text', '/throws/undefined?rejected', /\bundefined\b/],
    ['text', '/throws/text', /only a text/],
    ['text', '/throws/error', /Error: an error[^]*Error: its cause/],
  ];
  for (const [log, target, logged] of thrown) {
    test(
      `what nobody caught is logged, what is in hand is answered, and the exit code is 1: ${target}, LOG=${log}`,
      LIMIT,
      async (t) => {
        const server = start(t, log);
        await throwWhileInHand(t, await server.port(), target);
        assert.equal(await within('the end', server.ended()), 1);
        if (log === 'json') {
          const entries = server.errors
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line) as { level: string });
          assert.deepEqual(
            entries.map(({ level }) => level),
            ['error'],
          );
        }
        assert.match(server.errors, logged);
      },
    );
  }

  for (const log of ['json', 'text'] as const) {
    test(
      `what nobody caught ends the process as it should where standard error is closed: LOG=${log}`,
      LIMIT,
      async (t) => {
        const server = start(t, log);
        const port = await server.port();
        server.child.stderr!.destroy();
        await throwWhileInHand(t, port, '/throws/error');
        await within('the end', server.child.exitCode === null ? once(server.child, 'exit') : Promise.resolve([]));
        assert.equal(server.child.exitCode, 1);
      },
    );
  }

  test(
    'what nobody caught ends the process as it should where the disk of both standard streams is full',
    { ...LIMIT, skip: process.platform !== 'linux' },
    async (t) => {
      const full = openSync('/dev/full', 'w');
      // The port is printed to a full disk too, and so chosen here.
      const code = `
      import { RequestHandler, createServer, stopOnSignals } from './src/http/index.ts';
      class Throws extends RequestHandler {
        doGet() {
          setImmediate(() => { throw new Error('nobody caught this'); });
          return 'soon';
        }
      }
      const server = createServer({ '/': Throws }, { log: 'text' });
      server.listen(0, '127.0.0.1', () => process.send(server.address().port));
      stopOnSignals(server, { delay: 0, timeout: 2 });
      process.channel.unref();
    `;
      const child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '--eval', code], {
        stdio: ['ignore', full, full, 'ipc'],
      });
      t.after(() => child.kill('SIGKILL'));
      const exited = once(child, 'exit');
      const [port] = await within('the port', once(child, 'message'));
      soundAnswers(await sendRaw(t, port as number, ask('/')), [200]);
      assert.deepEqual(await within('the end', exited), [1, null]);
    },
  );

  for (const log of ['json', 'text'] as const) {
    test(
      `a server whose standard streams are both closed serves on, and stops with 0: LOG=${log}`,
      LIMIT,
      async (t) => {
        const server = start(t, log);
        const port = await server.port();
        server.child.stdout!.destroy();
        server.child.stderr!.destroy();
        for (let times = 0; times < 3; times++) soundAnswers(await sendRaw(t, port, ask('/prints')), [200]);
        const inHand = await upload(t, port);
        const idle = await Connection.open(t, port);
        const exited = once(server.child, 'exit');
        server.child.kill('SIGTERM');
        await within('the stop', idle.untilClosed());
        await inHand.finish();
        assert.deepEqual(await within('the end', exited), [0, null]);
      },
    );
  }

  test(
    'on a stop, LOG=text says after a second what it waits for, and what is cut then has its line in the log',
    LIMIT,
    async (t) => {
      const server = start(t, 'text', 1.6);
      const port = await server.port();
      const events = await Connection.open(t, port);
      events.send(requestBytes('GET /events'));
      await events.until('begun');
      const waits = await Connection.open(t, port);
      waits.send(requestBytes('GET /waits'));
      soundAnswers(await sendRaw(t, port, ask('/prints')), [200]);
      server.child.kill('SIGINT');
      assert.equal(await within('the end', server.ended()), 1);
      const written = server.output + server.errors;
      assert.match(written, /Stopping: waiting for .*GET \/(?:events|waits)/);
      const lines = server.output.split('\n').filter((line) => /^\d\d:\d\d:\d\d GET/.test(line));
      for (const path of ['/events', '/waits'])
        assert.equal(lines.filter((line) => line.includes(`GET ${path}`)).length, 1, path);
    },
  );

  test('on a stop that waits for nothing, LOG=text says nothing of waiting', LIMIT, async (t) => {
    const server = start(t, 'text');
    soundAnswers(await sendRaw(t, await server.port(), ask('/prints')), [200]);
    server.child.kill('SIGTERM');
    assert.equal(await within('the end', server.ended()), 0);
    assert.doesNotMatch(server.output + server.errors, /waiting for/);
  });

  test('what is cut at the end of a stop has its line in the log: LOG=json', LIMIT, async (t) => {
    const server = start(t, 'json', 0.5);
    const port = await server.port();
    const events = await Connection.open(t, port);
    events.send(requestBytes('GET /events'));
    await events.until('begun');
    server.child.kill('SIGTERM');
    assert.equal(await within('the end', server.ended()), 1);
    const lines = server.output
      .trimEnd()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { target?: string });
    assert.equal(lines.filter(({ target }) => target === '/events').length, 1);
  });

  test('a second signal ends the process at once, with 1', LIMIT, async (t) => {
    const server = start(t, 'off', 3600);
    const port = await server.port();
    const waits = await Connection.open(t, port);
    waits.send(requestBytes('GET /waits'));
    const idle = await Connection.open(t, port);
    soundAnswers(await sendRaw(t, port, ask('/prints')), [200]);
    server.child.kill('SIGTERM');
    await within('the stop', idle.untilClosed());
    server.child.kill('SIGTERM');
    assert.equal(await within('the end', server.ended()), 1);
  });
});
