import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/** For each start and stop, in milliseconds. */
const STEP_LIMIT = 20_000;

/** A listening socket of a free port, to be inherited by a child process; `close` as soon as that has it. */
export async function listeningSocket(): Promise<{ port: number; descriptor: number; close(): void }> {
  const socket = createServer().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as AddressInfo;
  // Node has no public name for it.
  const { fd: descriptor } = (socket as unknown as { _handle: { fd: number } })._handle;
  return { port, descriptor, close: () => socket.close() };
}

/**
 * Holds descriptor 3, as systemd would, and starts a server with it for each name that is read. The name stands before
 * each line that the server prints; its process id is said first, and its exit code last.
 */
const HOLDER = `
while read -r name; do
  { sh -c 'echo "process $$"; LISTEN_PID=$$ exec "$@"' sh "$@"; echo "ended with $?"; } 2>/dev/null |
    while read -r line; do echo "$name: $line"; done &
done
wait
`;

/** Servers that share one socket, each a process with a name. */
export class Servers {
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

  static async open(t: TestContext, environment: Record<string, string> = {}): Promise<Servers> {
    const socket = await listeningSocket();
    const shell = spawn('sh', ['-c', HOLDER, 'sh', process.execPath, ...process.execArgv, 'src/main.ts'], {
      env: { PATH: process.env['PATH'], LOG: 'off', ...environment },
      stdio: ['pipe', 'pipe', 'inherit', socket.descriptor],
    });
    socket.close();
    return new Servers(t, socket.port, shell);
  }

  /** Resolves with the first line that the server prints, once it listens. */
  async start(name: string): Promise<string> {
    this.#shell.stdin!.write(`${name}\n`);
    this.#processes.set(name, Number(await this.#said(name, /^process (\d+)$/)));
    return this.#said(name, /^(Listening .*)$/);
  }

  /** Resolves with the exit code, as the shell says it. */
  async end(name: string, signal: NodeJS.Signals): Promise<string> {
    process.kill(this.#processes.get(name)!, signal);
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
