import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/** For each start and stop. */
const STEP_LIMIT_MS = 20_000;

/** Opens a listening socket on a free port for a child process to inherit. `close` it once the child has started. */
export async function listeningSocket(): Promise<{ port: number; descriptor: number; close(): void }> {
  const socket = createServer().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as AddressInfo;
  // Node has no public API for the descriptor.
  const { fd: descriptor } = (socket as unknown as { _handle: { fd: number } })._handle;
  return { port, descriptor, close: () => socket.close() };
}

/**
 * Holds the listening socket as descriptor 3, like systemd, and starts a server with it for each name that it reads. It
 * prints the process id of the server, its output and its exit code, with the name before each line.
 */
const HOLDER = `
while read -r name; do
  { sh -c 'echo "process $$"; LISTEN_PID=$$ exec "$@"' sh "$@"; echo "ended with $?"; } 2>/dev/null |
    while read -r line; do echo "$name: $line"; done &
done
wait
`;

/** Servers that share one socket. Each is a process with a name. */
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

  /** Resolves with the first line of the server, once it listens. */
  async start(name: string): Promise<string> {
    this.#shell.stdin!.write(`${name}\n`);
    this.#processes.set(name, Number(await this.#next(name, /^process (\d+)$/)));
    return this.#next(name, /^(Listening .*)$/);
  }

  /** Resolves with the exit code, as the shell reports it. */
  async end(name: string, signal: NodeJS.Signals): Promise<string> {
    process.kill(this.#processes.get(name)!, signal);
    const code = await this.#next(name, /^ended with (\d+)$/);
    this.#processes.delete(name);
    return code;
  }

  /** Takes the next line of this server, which must match. */
  async #next(name: string, pattern: RegExp): Promise<string> {
    const limit = AbortSignal.timeout(STEP_LIMIT_MS);
    for (;;) {
      const index = this.#lines.findIndex((line) => line.startsWith(`${name}: `));
      if (index >= 0) {
        const line = this.#lines.splice(index, 1)[0]!.slice(`${name}: `.length);
        const found = pattern.exec(line);
        assert.ok(found, `Server ${name} must print ${pattern}, but printed: ${line}`);
        return found[1]!;
      }
      await once(this.#shell, 'line', { signal: limit }).catch(() => {
        throw new Error(`Server ${name} did not print ${pattern} within ${STEP_LIMIT_MS} ms`);
      });
    }
  }
}
