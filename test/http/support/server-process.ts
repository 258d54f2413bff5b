import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Scope, requestBytes, sendRaw } from './connection.ts';
import type { SpawnedOptions } from './spawned-server.ts';
import { within } from './within.ts';

/** A child process that runs one or more servers with the routes of spawned-server.ts, and captures its output. */
export class ServerProcess {
  readonly child: ChildProcess;
  output = '';
  errors = '';
  readonly #t: Scope;
  readonly #port: Promise<number>;
  readonly #closed: Promise<unknown>;
  #marks = 0;

  /**
   * Starts one server that shuts down on signals. The environment is empty except for PATH.
   *
   * @param streams a file descriptor for stdout and stderr, which are pipes by default
   */
  constructor(t: Scope, options: SpawnedOptions = {}, streams: 'pipe' | number = 'pipe') {
    const file = fileURLToPath(new URL('spawned-server.ts', import.meta.url));
    const { PATH } = process.env;
    const stdio = ['ignore' as const, streams, streams, 'ipc' as const];
    this.#t = t;
    this.child = spawn(process.execPath, [...process.execArgv, file], { env: { PATH }, stdio });
    t.after(() => this.child.kill('SIGKILL'));
    this.child.stdout?.on('data', (chunk) => (this.output += chunk));
    this.child.stderr?.on('data', (chunk) => (this.errors += chunk));
    this.#closed = once(this.child, 'close');
    this.#port = this.listen({ shutdown: {}, ...options });
    // If --test-name-pattern skips all tests, nothing awaits the port, and the process is killed early.
    this.#port.catch(() => {});
  }

  /** Resolves with the port of the first server. */
  port(): Promise<number> {
    return this.#port;
  }

  /**
   * Starts another server with these options, runs `act` against it, and returns what the process wrote meanwhile.
   * Calls must not overlap, because a line does not tell which server wrote it.
   */
  async written(
    options: SpawnedOptions, act: (port: number) => Promise<unknown>,
  ): Promise<{ lines: string[]; errors: string }> {
    const first = await this.#port;
    const port = await this.listen(options);
    const { output, errors } = this;
    await act(port);
    // Provoke an error to write a marker to both streams, after everything written before.
    const mark = `/mark/${++this.#marks}`;
    await sendRaw(this.#t, first, requestBytes(`GET ${mark}`, ['Connection: close']));
    const { index: lastLine } = await this.printed(new RegExp(`^.*${mark}\\b.*\n`, 'm'));
    const { index: lastError } = await this.#found('errors', new RegExp(`^.*${mark}\\b[^]*?was thrown.*\n`, 'm'));
    return {
      lines: this.output.slice(output.length, lastLine).split('\n').slice(0, -1),
      errors: this.errors.slice(errors.length, lastError),
    };
  }

  /** Resolves once standard output matches. */
  printed(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#found('output', pattern);
  }

  /** Resolves with the exit code once all output has been read. */
  async ended(): Promise<number | null> {
    await within('the server ended', this.#closed);
    return this.child.exitCode;
  }

  /** Starts another server, and resolves with its port. */
  async listen(options: SpawnedOptions): Promise<number> {
    // If sending fails, the process has exited, which is reported below.
    this.child.send(options, () => {});
    const ended = this.#closed.then(() => {
      throw new Error(`The server ended before it listened: ${this.errors}`);
    });
    const [port] = await within('the server listened', Promise.race([once(this.child, 'message'), ended]));
    return port as number;
  }

  async #found(where: 'output' | 'errors', pattern: RegExp): Promise<RegExpExecArray> {
    const stream = where === 'output' ? this.child.stdout! : this.child.stderr!;
    for (;;) {
      const found = pattern.exec(this[where]);
      if (found) return found;
      if (stream.closed) throw new Error(`The server ended before it wrote ${pattern}: ${this.output}${this.errors}`);
      await within(`the server wrote ${pattern}`, Promise.race([once(stream, 'data'), this.#closed]));
    }
  }
}
