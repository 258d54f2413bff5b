import { type ChildProcess, type IOType, spawn } from 'node:child_process';
import { once } from 'node:events';
import { within } from '../support/within.ts';

const START = `
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
const { Log } = await import(${JSON.stringify(new URL('../../../src/http/node/log.ts', import.meta.url))});
const entry = { status: 200, milliseconds: 1 };
`;

/** A test, or anything else with an end. */
export interface Scope {
  after(cleanUp: () => void): void;
}

/** Returns the arguments with which Node runs this code, in which `Log` and an `entry` for it are defined. */
export function nodeArguments(code: string): string[] {
  return [...process.execArgv, '--input-type=module', '--eval', START + code];
}

/** A child process that logs. */
export class LoggingProcess {
  readonly child: ChildProcess;
  output = '';
  errors = '';
  readonly #closed: Promise<unknown>;

  /** @param command what runs `node`, which is the first argument then */
  constructor(t: Scope, code: string, output: IOType | number = 'pipe', command: readonly string[] = []) {
    const [file, ...rest] = [...command, process.execPath, ...nodeArguments(code)];
    this.child = spawn(file!, rest, { stdio: ['ignore', output, 'pipe', 'ipc'] });
    t.after(() => this.child.kill('SIGKILL'));
    this.child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (this.output += chunk));
    this.child.stderr!.setEncoding('utf8').on('data', (chunk: string) => (this.errors += chunk));
    this.#closed = once(this.child, 'close');
  }

  /** Resolves with the next message of the process. */
  async message(): Promise<unknown> {
    const ended = this.#closed.then(() => {
      throw new Error(`The process ended without a message: ${this.errors}`);
    });
    const [message] = await within('the process sent a message', Promise.race([once(this.child, 'message'), ended]));
    return message;
  }

  /** Resolves with the exit code, once all output has been read. */
  async ended(): Promise<number | null> {
    await within('the process ended', this.#closed);
    return this.child.exitCode;
  }
}
