import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { type TestContext, test } from 'node:test';
import { Servers } from './shared-socket.ts';

const CLIENTS = 32;
const ROUNDS = 4;
/** For each step. */
const STEP_LIMIT_MS = 20_000;

/** Clients that open a connection for each request. */
class Clients {
  completed = 0;
  readonly lost: string[] = [];
  readonly #turns: Promise<void>[];
  #isOver = false;

  constructor(t: TestContext, port: number) {
    this.#turns = Array.from({ length: CLIENTS }, () => this.#run(port));
    t.after(() => this.end());
  }

  /** Resolves once all clients together have received ten more responses for each of them. */
  async serveOn(): Promise<void> {
    const enough = this.completed + 10 * CLIENTS;
    const limit = Date.now() + STEP_LIMIT_MS;
    while (this.completed < enough) {
      assert.ok(Date.now() < limit, `${CLIENTS} clients did not get 10 responses each within ${STEP_LIMIT_MS} ms`);
      await new Promise(setImmediate);
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#turns);
  }

  async #run(port: number): Promise<void> {
    while (!this.#isOver) {
      try {
        const request = get({ port, host: '127.0.0.1', agent: false, signal: AbortSignal.timeout(STEP_LIMIT_MS) });
        const [response] = await once(request, 'response');
        // An incomplete body is an error too.
        for await (const _ of response);
        this.completed++;
      } catch (error) {
        this.lost.push(String(error));
      }
    }
  }
}

test('listens on descriptor 3 if LISTEN_PID names the process, and prints the address', async (t) => {
  const servers = await Servers.open(t);
  assert.equal(await servers.start('a'), `Listening on http://127.0.0.1:${servers.port}`);
  assert.equal(await servers.end('a', 'SIGTERM'), '0');
});

test('ignores a LISTEN_PID that names another process', async (t) => {
  const server = spawn(process.execPath, [...process.execArgv, 'src/main.ts'], {
    env: { PATH: process.env['PATH'], PORT: '0', LOG: 'off', LISTEN_PID: String(process.pid) },
    stdio: ['ignore', 'pipe', 'inherit', 'ignore'],
  });
  t.after(() => server.kill('SIGKILL'));
  const limit = { signal: AbortSignal.timeout(STEP_LIMIT_MS) };
  const [lineOrExitCode] = await Promise.race([once(server.stdout!, 'data', limit), once(server, 'exit', limit)]);
  assert.match(String(lineOrExitCode), /^Listening on http:\/\/127\.0\.0\.1:\d+\n/);
});

test('exits with one line that names LISTEN_PID if descriptor 3 is not a socket', async (t) => {
  const node = [process.execPath, ...process.execArgv, 'src/main.ts'];
  const server = spawn('sh', ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', ...node], {
    env: { PATH: process.env['PATH'], LOG: 'off' },
    stdio: ['ignore', 'ignore', 'pipe', 'ignore'],
  });
  t.after(() => server.kill('SIGKILL'));
  let errors = '';
  server.stderr!.on('data', (chunk) => (errors += chunk));
  const [exitCode] = await once(server, 'close', { signal: AbortSignal.timeout(STEP_LIMIT_MS) });
  assert.match(errors, /^LISTEN_PID=\d+: file descriptor 3 is not a socket \(E[A-Z]+\): pass a TCP socket\n$/);
  assert.equal(exitCode, 1);
});

test('loses no request when two servers on one socket restart in turn', async (t) => {
  const servers = await Servers.open(t);
  await servers.start('a');
  await servers.start('b');
  const clients = new Clients(t, servers.port);
  await clients.serveOn();
  for (let round = 1; round <= ROUNDS; round++) {
    for (const name of ['a', 'b']) {
      assert.equal(await servers.end(name, 'SIGTERM'), '0');
      await clients.serveOn();
      await servers.start(name);
      await clients.serveOn();
    }
  }
  await clients.end();
  t.diagnostic(`${clients.completed} requests in ${2 * ROUNDS} restarts`);
  assert.deepEqual(clients.lost, []);
});
