import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { type TestContext, test } from 'node:test';
import { Servers } from './shared-socket.ts';

const CLIENTS = 32;
const ROUNDS = 4;
/** For each step, in milliseconds: a server that does not start or stop would let the test wait for ever. */
const STEP_LIMIT = 20_000;

/** Clients that open a connection for each request, for as long as they run. */
class Clients {
  answered = 0;
  readonly lost: string[] = [];
  readonly #turns: Promise<void>[];
  #isOver = false;

  constructor(t: TestContext, port: number) {
    this.#turns = Array.from({ length: CLIENTS }, () => this.#run(port));
    t.after(() => this.end());
  }

  /** Resolves once so many more requests have been answered that each client has had its turn. */
  async serveOn(): Promise<void> {
    const enough = this.answered + 10 * CLIENTS;
    const limit = Date.now() + STEP_LIMIT;
    while (this.answered < enough) {
      assert.ok(Date.now() < limit, `${CLIENTS} clients did not get 10 answers each within ${STEP_LIMIT} ms`);
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
        const request = get({ port, host: '127.0.0.1', agent: false, signal: AbortSignal.timeout(STEP_LIMIT) });
        const [answer] = await once(request, 'response');
        // A body that is cut short is an error too.
        for await (const _ of answer);
        this.answered++;
      } catch (error) {
        this.lost.push(String(error));
      }
    }
  }
}

test('the process that LISTEN_PID names listens on descriptor 3, and its first line names the address', async (t) => {
  const servers = await Servers.open(t);
  assert.equal(await servers.start('a'), `Listening on http://127.0.0.1:${servers.port}`);
  assert.equal(await servers.end('a', 'SIGTERM'), '0');
});

test('a LISTEN_PID that names another process is ignored', async (t) => {
  const server = spawn(process.execPath, [...process.execArgv, 'src/main.ts'], {
    env: { PATH: process.env['PATH'], PORT: '0', LOG: 'off', LISTEN_PID: String(process.pid) },
    stdio: ['ignore', 'pipe', 'inherit', 'ignore'],
  });
  t.after(() => server.kill('SIGKILL'));
  const limit = { signal: AbortSignal.timeout(STEP_LIMIT) };
  const [lineOrExitCode] = await Promise.race([once(server.stdout!, 'data', limit), once(server, 'exit', limit)]);
  assert.match(String(lineOrExitCode), /^Listening on http:\/\/127\.0\.0\.1:\d+\n/);
});

test('a LISTEN_PID without a socket on descriptor 3 ends in one line that names it', async (t) => {
  const node = [process.execPath, ...process.execArgv, 'src/main.ts'];
  const server = spawn('sh', ['-c', 'LISTEN_PID=$$ exec "$@"', 'sh', ...node], {
    env: { PATH: process.env['PATH'], LOG: 'off' },
    stdio: ['ignore', 'ignore', 'pipe', 'ignore'],
  });
  t.after(() => server.kill('SIGKILL'));
  let errors = '';
  server.stderr!.on('data', (chunk) => (errors += chunk));
  const [exitCode] = await once(server, 'close', { signal: AbortSignal.timeout(STEP_LIMIT) });
  assert.match(errors, /^LISTEN_PID=\d+: descriptor 3 is not a socket \(E[A-Z]+\): hand one over\n$/);
  assert.equal(exitCode, 1);
});

test('two servers on one socket, restarted in turn, lose no request of clients that connect for each', async (t) => {
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
  t.diagnostic(`${clients.answered} requests in ${2 * ROUNDS} restarts`);
  assert.deepEqual(clients.lost, []);
});
