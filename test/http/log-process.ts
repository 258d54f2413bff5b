import { once } from 'node:events';
import { ServerProcess } from './server-process.ts';
import type { SpawnedOptions } from './spawned-server.ts';

/** The server of log-server.ts, and the lines that it has logged. */
export class LogProcess extends ServerProcess {
  constructor(
    t: ConstructorParameters<typeof ServerProcess>[0],
    log: 'text' | 'json',
    options: SpawnedOptions = {},
  ) {
    super(t, { log, ...options }, 'log-server.ts');
  }

  /** Resolves once `pattern` is on standard error. */
  async complained(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.errors)) {
      if (this.child.exitCode !== null)
        throw new Error(`The server ended before it complained of ${pattern}: ${this.errors}`);
      await Promise.race([once(this.child.stderr!, 'data'), once(this.child, 'exit')]);
    }
  }

  /** Ends the process, and resolves with all lines on standard output but the first, which names the address. */
  async lines(): Promise<string[]> {
    this.child.stdin!.end();
    await this.ended();
    return this.output.split('\n').slice(1, -1);
  }
}
