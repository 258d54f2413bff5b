import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';

const CLIENTS = 32;
const ROUNDS = 4;
/** For each step, in milliseconds: a server that does not start or stop would let the test wait for ever. */
const STEP_LIMIT = 20_000;

/**
 * Holds descriptor 3, and starts a server with it for each name that is read. The name stands before each line that
 * the server prints, its process id is said first and its exit code last.
 */
const HOLDER = `
while read -r name; do
  { sh -c 'echo "process $$"; LISTEN_PID=$$ exec "$@"' sh "$@"; echo "ended with $?"; } 2>&1 |
    while read -r line; do echo "$name: $line"; done &
done
wait
`;

/** A shell that holds a listening socket, as systemd would, and hands it to each server that it starts. */
class SocketHolder {
  readonly port: number;
  readonly #shell: ChildProcess;
  readonly #lines: string[] = [];
  readonly #processes = new Map<string, number>();

  private constructor(t: TestContext, port: number, shell: ChildProcess) {
    this.port = port;
    this.#shell = shell;
    createInterface(shell.stdout!).on('line', (line) => {
      this.#lines.push(line);
      shell.emit('line');
    });
    t.after(() => {
      shell.kill('SIGKILL');
      for (const id of this.#processes.values()) process.kill(id, 'SIGKILL');
    });
  }

  static async open(t: TestContext): Promise<SocketHolder> {
    const socket = createServer().listen(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address() as AddressInfo;
    // Node has no public name for it.
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    const server = [process.execPath, ...process.execArgv, 'src/main.ts'];
    const shell = spawn('sh', ['-c', HOLDER, 'sh', ...server], {
      env: { PATH: process.env['PATH'], PORT: '0', LOG: 'off' },
      stdio: ['pipe', 'pipe', 'inherit', fd],
    });
    // The shell has a copy. This process would accept connections too, and answer none.
    socket.close();
    return new SocketHolder(t, port, shell);
  }

  /** Resolves with the first line that the server prints, once it listens. */
  async start(name: string): Promise<string> {
    this.#shell.stdin!.write(`${name}\n`);
    this.#processes.set(name, Number(await this.#said(name, /^process (\d+)$/)));
    return this.#said(name, /^(Listening .*)$/);
  }

  /** Resolves with the exit code. */
  async stop(name: string): Promise<string> {
    process.kill(this.#processes.get(name)!, 'SIGTERM');
    const code = await this.#said(name, /^ended with (\d+)$/);
    this.#processes.delete(name);
    return code;
  }

  /** Takes the next line of this server; it must match, for nothing else is due. */
  async #said(name: string, pattern: RegExp): Promise<string> {
    const limit = AbortSignal.timeout(STEP_LIMIT);
    for (;;) {
      const index = this.#lines.findIndex((line) => line.startsWith(`${name}: `));
      if (index >= 0) {
        const line = this.#lines.splice(index, 1)[0]!.slice(`${name}: `.length);
        const found = pattern.exec(line);
        assert.ok(found, `Server ${name} was to print ${pattern}, not: ${line}`);
        return found[1]!;
      }
      await once(this.#shell, 'line', { signal: limit }).catch(() => {
        throw new Error(`Server ${name} did not print ${pattern} within ${STEP_LIMIT} ms`);
      });
    }
  }
}

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
  const holder = await SocketHolder.open(t);
  assert.equal(await holder.start('a'), `Listening on http://127.0.0.1:${holder.port}`);
  assert.equal(await holder.stop('a'), '0');
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

test('two servers on one socket, restarted in turn, lose no request of clients that connect for each', async (t) => {
  const holder = await SocketHolder.open(t);
  await holder.start('a');
  await holder.start('b');
  const clients = new Clients(t, holder.port);
  await clients.serveOn();
  for (let round = 1; round <= ROUNDS; round++) {
    for (const name of ['a', 'b']) {
      assert.equal(await holder.stop(name), '0');
      await clients.serveOn();
      await holder.start(name);
      await clients.serveOn();
    }
  }
  await clients.end();
  t.diagnostic(`${clients.answered} requests in ${2 * ROUNDS} restarts`);
  assert.deepEqual(clients.lost, []);
});
