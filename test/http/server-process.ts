import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SpawnedOptions } from './spawned-server.ts';
import { within } from './waiting.ts';

/** A server in a process of its own, and what it has written so far. */
export class ServerProcess {
  readonly child: ChildProcess;
  output = '';
  errors = '';

  /**
   * Starts on a free port; the environment holds nothing that could change anything.
   *
   * @param entry the file beside this one that listens with these options
   */
  constructor(t: Pick<TestContext, 'after'>, options: SpawnedOptions = {}, entry = 'spawned-server.ts') {
    const file = fileURLToPath(new URL(entry, import.meta.url));
    const { PATH } = process.env;
    this.child = spawn(process.execPath, [...process.execArgv, file, JSON.stringify(options)], { env: { PATH } });
    t.after(() => this.child.kill('SIGKILL'));
    this.child.stdout!.on('data', (chunk) => (this.output += chunk));
    this.child.stderr!.on('data', (chunk) => (this.errors += chunk));
  }

  /** Resolves with what is on standard output once it contains `pattern`. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.output);
      if (found) return found;
      if (this.child.exitCode !== null) throw new Error(`The server ended before it printed ${pattern}: ${this.output}${this.errors}`);
      await within(`the server printed ${pattern}`, Promise.race([once(this.child.stdout!, 'data'), once(this.child, 'exit')]));
    }
  }

  async port(): Promise<number> {
    return Number((await this.printed(/http:\/\/127\.0\.0\.1:(\d+)/))[1]);
  }

  /** Resolves with the exit code, once all output is there. */
  async ended(): Promise<number | null> {
    const { stdout, exitCode } = this.child;
    if (!stdout!.closed || exitCode === null) await within('the server ended', once(this.child, 'close'));
    return this.child.exitCode;
  }
}
