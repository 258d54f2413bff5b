import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { connect } from 'node:net';
import { after, describe, test, type TestContext } from 'node:test';
import { Connection, requestBytes, sendRaw } from '../support/connection.ts';
import { expectResponses } from '../support/response.ts';
import { ServerProcess } from '../support/server-process.ts';
import { eventually } from '../support/within.ts';

const ask = (path: string) => requestBytes(`GET ${path}`, ['Connection: close']);

/** Starts an upload. `finish` sends the rest and resolves after the response. */
async function upload(t: TestContext, port: number): Promise<{ finish: () => Promise<void> }> {
  const connection = await Connection.open(t, port);
  connection.send(
    requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 2', 'Expect: 100-continue']),
  );
  await connection.until('100 Continue');
  return {
    async finish() {
      connection.send('[]');
      const [, response] = expectResponses(await connection.untilClosed(), [100, 200]);
      assert.equal(response!.headers.get('connection'), 'close');
      assert.equal(response!.body, '{"status":"OK","received":[]}');
    },
  };
}

/** Waits until shutdown has closed an idle connection. */
async function shutDownWithRequestInFlight(t: TestContext, port: number, stop: () => unknown): Promise<void> {
  const inFlight = await upload(t, port);
  const idle = await Connection.open(t, port);
  await stop();
  assert.equal(await idle.untilClosed(), '');
  await untilNotListening(port);
  await inFlight.finish();
}

/** Resolves once the port is closed. */
async function untilNotListening(port: number): Promise<void> {
  await eventually('the listener closed', async () => {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    return !isOpen;
  });
}

// Each test spawns a process and mostly waits.
describe('process shutdown', { concurrency: 4 }, () => {
  // The first error triggers shutdown, and the others occur during it.
  const uncaught: [log: 'json' | 'text', query: string, logged: RegExp[]][] = [
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
  for (const [log, query, logged] of uncaught) {
    test(`completes requests, logs each uncaught error and exits with 1: LOG=${log}`, async (t) => {
      const server = new ServerProcess(t, { log });
      const port = await server.port();
      await shutDownWithRequestInFlight(t, port, async () => {
        expectResponses(await sendRaw(t, port, ask(`/uncaught?${query}`)), [200]);
      });
      assert.equal(await server.ended(), 1);
      const written = server.errors.split(log === 'json' ? /\n/ : /\n(?=\d)/).filter((entry) => entry !== '');
      assert.equal(written.length, logged.length, server.errors);
      for (const [index, pattern] of logged.entries()) {
        assert.match(written[index]!, pattern);
        if (log === 'json') assert.equal(JSON.parse(written[index]!).level, 'error');
      }
    });
  }

  for (const how of ['thrown', 'rejected']) {
    test(`aborts requests at the shutdown timeout after an uncaught error: ${how}`, async (t) => {
      const server = new ServerProcess(t, { log: 'text', shutdown: { timeout: 0 } });
      const port = await server.port();
      const slow = await Connection.open(t, port);
      slow.send(requestBytes('GET /slow'));
      expectResponses(await sendRaw(t, port, ask(`/uncaught?${how}=error`)), [200]);
      assert.equal(await slow.untilClosed(), '');
      assert.equal(await server.ended(), 1);
      // A server that waits says so after a second.
      assert.doesNotMatch(server.output, /waiting for/);
    });
  }

  test('exits correctly after an uncaught error if stderr is closed', async (t) => {
    const server = new ServerProcess(t, { log: 'json' });
    const port = await server.port();
    server.child.stderr!.destroy();
    await shutDownWithRequestInFlight(t, port, async () => {
      expectResponses(await sendRaw(t, port, ask('/uncaught?thrown=error')), [200]);
    });
    assert.equal(await server.ended(), 1);
  });

  test(
    'exits correctly after an uncaught error if the disk is full',
    { skip: process.platform !== 'linux' },
    async (t) => {
      const server = new ServerProcess(t, { log: 'text', shutdown: { timeout: 2 } }, openSync('/dev/full', 'w'));
      expectResponses(await sendRaw(t, await server.port(), ask('/uncaught?thrown=error')), [200]);
      assert.equal(await server.ended(), 1);
    },
  );

  for (const [signal, log] of [['SIGTERM', 'json'], ['SIGINT', 'text']] as const) {
    test(`drains and exits with 0 at ${signal} even if stdout and stderr are closed`, async (t) => {
      const server = new ServerProcess(t, { log });
      const port = await server.port();
      server.child.stdout!.destroy();
      server.child.stderr!.destroy();
      for (let times = 0; times < 3; times++) expectResponses(await sendRaw(t, port, ask('/prints')), [200]);
      await shutDownWithRequestInFlight(t, port, () => server.child.kill(signal));
      assert.equal(await server.ended(), 0);
    });
  }

  for (const [stopped, code, said] of [
    ['late', 0, /^The database is closed$/m],
    ['never', 0, /\bstopped\n +Error: It took too long/],
    ['rejects', 1, /\bstopped\n +Error: The database does not close/],
  ] as const) {
    test(`awaits the stopped callback, up to the timeout: ${stopped}`, async (t) => {
      const timeout = stopped === 'never' ? 0.5 : 60;
      const server = new ServerProcess(t, { log: 'text', shutdown: { timeout, stopped } });
      await server.port();
      server.child.kill('SIGTERM');
      assert.equal(await server.ended(), code);
      assert.match(server.output + server.errors, said);
    });
  }

  for (const [log, timeout] of [['json', 0], ['text', 1.6]] as const) {
    test(`aborts and logs requests after ${timeout} seconds, exits with 1: LOG=${log}`, async (t) => {
      const server = new ServerProcess(t, { log, handlerTimeout: 0, shutdown: { timeout } });
      const port = await server.port();
      await upload(t, port);
      const events = await Connection.open(t, port);
      events.send(requestBytes('GET /waits?stream'));
      await events.until('begun');
      const waits = await Connection.open(t, port);
      waits.send(requestBytes('GET /waits'));
      expectResponses(await sendRaw(t, port, ask('/waiting/2')), [200]);
      server.child.kill('SIGTERM');
      assert.equal(await server.ended(), 1);
      assert.equal(await waits.untilClosed(), '');
      const aborted = server.output.split('\n').flatMap((line) => {
        if (log === 'text') return /^[\d:]{8} (.*) (?:-|200) [\d.]+ ms, aborted/.exec(line)?.[1] ?? [];
        const { method, target, outcome } = JSON.parse(line || '{}');
        return outcome === 'aborted' ? `${method} ${target}` : [];
      });
      assert.deepEqual(aborted.sort(), ['GET /waits', 'GET /waits?stream', 'POST /']);
      const spoken = /Stopping: waiting for .*GET \/waits/.test(server.output);
      assert.equal(spoken, log === 'text');
    });
  }

  describe('during the shutdown delay', { concurrency: 1 }, () => {
    const server = new ServerProcess({ after }, { shutdown: { delay: 3600, timeout: 3600 } });

    test('aborts shutdownSignal, and serves new and existing connections', async (t) => {
      const port = await server.port();
      const old = await Connection.open(t, port);
      old.send(requestBytes('GET /health'));
      await old.until('}');
      expectResponses(old.received, [200]);
      server.child.kill('SIGTERM');
      await eventually('/health responded 503', async () => {
        return (await sendRaw(t, port, ask('/health'))).startsWith('HTTP/1.1 503 ');
      });
      expectResponses(await sendRaw(t, port, ask('/')), [200]);
      for (const [path, status] of [['/health', 503], ['/', 200]] as const) {
        old.received = '';
        old.send(requestBytes(`GET ${path}`));
        await old.until('}');
        const [response] = expectResponses(old.received, [status]);
        assert.equal(response!.headers.get('connection'), 'keep-alive');
      }
    });

    test('exits with 1 at a second signal', async (t) => {
      const waits = await Connection.open(t, await server.port());
      waits.send(requestBytes('GET /waits'));
      expectResponses(await sendRaw(t, await server.port(), ask('/waiting/1')), [200]);
      server.child.kill('SIGTERM');
      assert.equal(await server.ended(), 1);
      assert.equal(await waits.untilClosed(), '');
    });
  });

  test('exits with 1 at a second signal after the listener has closed', async (t) => {
    const server = new ServerProcess(t, { shutdown: { timeout: 3600 } });
    const port = await server.port();
    const waits = await Connection.open(t, port);
    waits.send(requestBytes('GET /waits'));
    const idle = await Connection.open(t, port);
    expectResponses(await sendRaw(t, port, ask('/waiting/1')), [200]);
    server.child.kill('SIGINT');
    assert.equal(await idle.untilClosed(), '');
    server.child.kill('SIGTERM');
    assert.equal(await server.ended(), 1);
    assert.equal(await waits.untilClosed(), '');
  });

  test('exits when the last of two servers has drained, and loses no request', async (t) => {
    const server = new ServerProcess(t, { handlerTimeout: 0 });
    const port = await server.port();
    const other = await server.listen({ handlerTimeout: 0, shutdown: {} });
    const uploads = [await upload(t, port), await upload(t, other)];
    server.child.kill('SIGTERM');
    for (const [index, { finish }] of uploads.entries()) {
      await untilNotListening(index === 0 ? port : other);
      await finish();
    }
    assert.equal(await server.ended(), 0);
  });

  test('exits with 1 after an uncaught error during a graceful shutdown', async (t) => {
    const server = new ServerProcess(t, { log: 'text' });
    const port = await server.port();
    const inFlight = await upload(t, port);
    const idle = await Connection.open(t, port);
    server.child.kill('SIGTERM');
    idle.send(requestBytes('GET /uncaught?thrown=error'));
    expectResponses(await idle.untilClosed(), [200]);
    await untilNotListening(port);
    await inFlight.finish();
    assert.equal(await server.ended(), 1);
    assert.match(server.errors, /an error/);
  });

  test('completes requests at the first signal after an uncaught error', async (t) => {
    const server = new ServerProcess(t);
    const port = await server.port();
    await shutDownWithRequestInFlight(t, port, async () => {
      expectResponses(await sendRaw(t, port, ask('/uncaught?thrown=error')), [200]);
      server.child.kill('SIGTERM');
    });
    assert.equal(await server.ended(), 1);
  });
});
