import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { connect } from 'node:net';
import { type TestContext, after, describe, test } from 'node:test';
import { soundAnswers } from './answers.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { ServerProcess } from './server-process.ts';
import { eventually } from '../waiting.ts';

const LIMIT = { timeout: 60_000 };
const ask = (path: string) => requestBytes(`GET ${path}`, ['Connection: close']);

/** An upload that has begun: its rest is sent with `finish`, which resolves once it is answered. */
async function upload(t: TestContext, port: number): Promise<{ finish: () => Promise<void> }> {
  const connection = await Connection.open(t, port);
  connection.send(
    requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 2', 'Expect: 100-continue']),
  );
  await connection.until('100 Continue');
  return {
    async finish() {
      connection.send('[]');
      const [, answer] = soundAnswers(await connection.untilClosed(), [100, 200]);
      assert.equal(answer!.headers.get('connection'), 'close');
      assert.equal(answer!.body, '{"status":"OK","received":[]}');
    },
  };
}

/** Sees an idle connection close, which is how the stop shows itself. */
async function stopWhileInHand(t: TestContext, port: number, stop: () => unknown): Promise<void> {
  const inHand = await upload(t, port);
  const idle = await Connection.open(t, port);
  await stop();
  assert.equal(await idle.untilClosed(), '');
  await untilRefused(port);
  await inHand.finish();
}

/** Resolves once nothing listens on the port. */
async function untilRefused(port: number): Promise<void> {
  await eventually('the listener closed', async () => {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    return !isOpen;
  });
}

// Each has a process of its own, and spends most of its time waiting.
describe('a process that ends', { concurrency: 4 }, () => {
  // The first stops the server; the others come while it stops.
  const faults: [log: 'json' | 'text', query: string, logged: RegExp[]][] = [
    [
      'json',
      'thrown=null&thrown=text&thrown=object&rejected=error',
      [/\bnull\b/, /only a text/, /only an object/, /Error: an error.*\\n +at .*Error: its cause/],
    ],
    [
      'text',
      'rejected=undefined&thrown=text&thrown=error',
      [/\bundefined\b/, /only a text/, /Error: an error\n +at [^]*Error: its cause/],
    ],
  ];
  for (const [log, query, logged] of faults) {
    test(
      `whatever nobody caught is logged, what is in hand is answered, and the exit code is 1: ${query}, LOG=${log}`,
      LIMIT,
      async (t) => {
        const server = new ServerProcess(t, { log });
        const port = await server.port();
        await stopWhileInHand(t, port, async () => {
          soundAnswers(await sendRaw(t, port, ask(`/faults?${query}`)), [200]);
        });
        assert.equal(await server.ended(), 1);
        const written = server.errors.split(log === 'json' ? /\n/ : /\n(?=\d)/).filter((entry) => entry !== '');
        assert.equal(written.length, logged.length, server.errors);
        for (const [index, pattern] of logged.entries()) {
          assert.match(written[index]!, pattern);
          if (log === 'json') assert.equal(JSON.parse(written[index]!).level, 'error');
        }
      },
    );
  }

  for (const fault of ['thrown', 'rejected']) {
    test(
      `what nobody caught cuts what is in hand after the timeout of the stop, and the exit code is 1: ${fault}`,
      LIMIT,
      async (t) => {
        const server = new ServerProcess(t, { log: 'text', shutdown: { timeout: 0 } });
        const port = await server.port();
        const slow = await Connection.open(t, port);
        slow.send(requestBytes('GET /slow'));
        soundAnswers(await sendRaw(t, port, ask(`/faults?${fault}=error`)), [200]);
        assert.equal(await slow.untilClosed(), '');
        assert.equal(await server.ended(), 1);
        // It would after a second.
        assert.doesNotMatch(server.output, /waiting for/);
      },
    );
  }

  test('what nobody caught ends the process as it should where standard error is closed', LIMIT, async (t) => {
    const server = new ServerProcess(t, { log: 'json' });
    const port = await server.port();
    server.child.stderr!.destroy();
    await stopWhileInHand(t, port, async () => {
      soundAnswers(await sendRaw(t, port, ask('/faults?thrown=error')), [200]);
    });
    assert.equal(await server.ended(), 1);
  });

  test(
    'what nobody caught ends the process as it should where the disk of both standard streams is full',
    { ...LIMIT, skip: process.platform !== 'linux' },
    async (t) => {
      const server = new ServerProcess(t, { log: 'text', shutdown: { timeout: 2 } }, openSync('/dev/full', 'w'));
      soundAnswers(await sendRaw(t, await server.port(), ask('/faults?thrown=error')), [200]);
      assert.equal(await server.ended(), 1);
    },
  );

  for (const [signal, log] of [['SIGTERM', 'json'], ['SIGINT', 'text']] as const) {
    test(
      `${signal}: a server whose standard streams are closed has served on, answers what is in hand, and exits with 0`,
      LIMIT,
      async (t) => {
        const server = new ServerProcess(t, { log });
        const port = await server.port();
        server.child.stdout!.destroy();
        server.child.stderr!.destroy();
        for (let times = 0; times < 3; times++) soundAnswers(await sendRaw(t, port, ask('/prints')), [200]);
        await stopWhileInHand(t, port, () => server.child.kill(signal));
        assert.equal(await server.ended(), 0);
      },
    );
  }

  for (const [stopped, code, said] of [
    ['late', 0, /^The database is closed$/m],
    ['never', 0, /^/],
    ['rejects', 1, /\bstopped\n +Error: The database does not close/],
  ] as const) {
    test(`what is to be done after a stop is waited for, but not for ever: ${stopped}`, LIMIT, async (t) => {
      const timeout = stopped === 'never' ? 0.5 : 60;
      const server = new ServerProcess(t, { log: 'text', shutdown: { timeout, stopped } });
      await server.port();
      server.child.kill('SIGTERM');
      assert.equal(await server.ended(), code);
      assert.match(server.output + server.errors, said);
    });
  }

  for (const [log, timeout] of [['json', 0], ['text', 1.6]] as const) {
    const waiting = log === 'text' ? ', which says after a second what it waits for' : '';
    test(
      `what is in hand after ${timeout} seconds of a stop${waiting} is cut, with its line in the log, and the exit ` +
        `code is 1: LOG=${log}`,
      LIMIT,
      async (t) => {
        const server = new ServerProcess(t, { log, handlerTimeout: 0, shutdown: { timeout } });
        const port = await server.port();
        await upload(t, port);
        const events = await Connection.open(t, port);
        events.send(requestBytes('GET /waits?stream'));
        await events.until('begun');
        const waits = await Connection.open(t, port);
        waits.send(requestBytes('GET /waits'));
        soundAnswers(await sendRaw(t, port, ask('/waiting/2')), [200]);
        server.child.kill('SIGTERM');
        assert.equal(await server.ended(), 1);
        assert.equal(await waits.untilClosed(), '');
        const cut = server.output.split('\n').flatMap((line) => {
          if (log === 'text') return /^[\d:]{8} (.*) (?:-|200) [\d.]+ ms, aborted/.exec(line)?.[1] ?? [];
          const { method, target, outcome } = JSON.parse(line || '{}');
          return outcome === 'aborted' ? `${method} ${target}` : [];
        });
        assert.deepEqual(cut.sort(), ['GET /waits', 'GET /waits?stream', 'POST /']);
        const spoken = /Stopping: waiting for .*GET \/waits/.test(server.output);
        assert.equal(spoken, log === 'text');
      },
    );
  }

  describe('during the delay of a stop', { concurrency: 1 }, () => {
    const server = new ServerProcess({ after }, { shutdown: { delay: 3600, timeout: 3600 } });

    test('draining is true, and all else goes on as usual, on new connections and old ones', LIMIT, async (t) => {
      const port = await server.port();
      const old = await Connection.open(t, port);
      old.send(requestBytes('GET /health'));
      await old.until('}');
      soundAnswers(old.received, [200]);
      server.child.kill('SIGTERM');
      await eventually('/health answered 503', async () => {
        return (await sendRaw(t, port, ask('/health'))).startsWith('HTTP/1.1 503 ');
      });
      soundAnswers(await sendRaw(t, port, ask('/')), [200]);
      for (const [path, status] of [['/health', 503], ['/', 200]] as const) {
        old.received = '';
        old.send(requestBytes(`GET ${path}`));
        await old.until('}');
        const [answer] = soundAnswers(old.received, [status]);
        assert.equal(answer!.headers.get('connection'), 'keep-alive');
      }
    });

    test('a second signal exits at once with 1: SIGTERM after SIGTERM', LIMIT, async (t) => {
      const waits = await Connection.open(t, await server.port());
      waits.send(requestBytes('GET /waits'));
      soundAnswers(await sendRaw(t, await server.port(), ask('/waiting/1')), [200]);
      server.child.kill('SIGTERM');
      assert.equal(await server.ended(), 1);
      assert.equal(await waits.untilClosed(), '');
    });
  });

  test('once the listener has closed, a second signal exits at once with 1: SIGTERM after SIGINT', LIMIT, async (t) => {
    const server = new ServerProcess(t, { shutdown: { timeout: 3600 } });
    const port = await server.port();
    const waits = await Connection.open(t, port);
    waits.send(requestBytes('GET /waits'));
    const idle = await Connection.open(t, port);
    soundAnswers(await sendRaw(t, port, ask('/waiting/1')), [200]);
    server.child.kill('SIGINT');
    assert.equal(await idle.untilClosed(), '');
    server.child.kill('SIGTERM');
    assert.equal(await server.ended(), 1);
    assert.equal(await waits.untilClosed(), '');
  });
});
