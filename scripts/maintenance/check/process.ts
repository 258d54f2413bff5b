import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** The default limit of each wait. */
const LIMIT_MS = 60_000;

const running = new Set<ChildProcess>();

// Each process leads its own process group, so that this also stops the children of npm.
process.on('exit', () => {
  for (const child of running) kill(child, 'SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Awaits a promise with a limit. `what` describes the event in the error message. */
export async function within<Value>(what: string, promise: Promise<Value>, limitMs = LIMIT_MS): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const late = new Error(`Waited ${limitMs / 1000} seconds, but this did not happen: ${what}`);
    timer = setTimeout(() => reject(late), limitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A running shell command and its output so far, including standard error. */
export class Command {
  output = '';
  readonly #line: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(line: string, environment: NodeJS.ProcessEnv = {}, cwd = process.cwd()) {
    this.#line = line;
    this.#child = spawn('sh', ['-c', line], { env: { ...process.env, ...environment }, cwd, detached: true });
    running.add(this.#child);
    this.#ended = once(this.#child, 'close').then(() => running.delete(this.#child));
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => (this.output += chunk));
    }
  }

  /** Resolves once the output matches `pattern`. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.output);
      if (found) return found;
      const hasEnded = !running.has(this.#child);
      if (hasEnded) throw new Error(`${this.#line} ended before it printed ${pattern}:\n${this.output}`);
      const more = Promise.race([once(this.#child.stdout!, 'data'), once(this.#child.stderr!, 'data'), this.#ended]);
      await within(`${this.#line} printed ${pattern}`, more);
    }
  }

  /** Resolves with the exit code. */
  async ended(limitMs?: number): Promise<number | null> {
    await within(`${this.#line} ended`, this.#ended, limitMs);
    return this.#child.exitCode;
  }

  /** Sends a signal to the command and to its children. */
  kill(signal: NodeJS.Signals): void {
    kill(this.#child, signal);
  }
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch {
    // It has ended by itself.
  }
}
