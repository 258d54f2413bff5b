import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { within } from '../support/within.ts';
import { type Scope, nodeArguments } from './logging-process.ts';

const hasScript = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;
const LIMIT = { timeout: 60_000, skip: !hasScript && 'script(1) of util-linux, which opens a terminal, is missing' };
const STOP = '\x13';
const START = '\x11';

/** A process whose standard input, output and error are a terminal, and what appears on it. */
class Terminal {
  output = '';
  readonly #script: ChildProcess;
  readonly #closed: Promise<unknown>;

  constructor(t: Scope, code: string) {
    const words = [process.execPath, ...nodeArguments(code)].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
    this.#script = spawn('script', ['-qec', `exec ${words.join(' ')}`, '/dev/null'], { stdio: 'pipe' });
    t.after(() => this.#script.kill('SIGKILL'));
    this.#script.stdout!.setEncoding('utf8').on('data', (chunk: string) => (this.output += chunk));
    this.#closed = once(this.#script, 'close');
  }

  type(characters: string): void {
    this.#script.stdin!.write(characters);
  }

  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.output);
      if (found) return found;
      if (this.#script.stdout!.closed) throw new Error(`The process ended without ${pattern}: ${this.output}`);
      await within(`${pattern} appeared`, Promise.race([once(this.#script.stdout!, 'data'), this.#closed]));
    }
  }

  /** Resolves with the exit code of the process. */
  async ended(): Promise<number | null> {
    await within('the process ended', this.#closed);
    return this.#script.exitCode;
  }
}

const SERVER = `
  import { createServer } from 'node:http';
  const typed = once(process.stdin, 'data');
  const log = new Log('text');
  const server = createServer(async (request, response) => {
    await typed;
    log.request(request, '', entry);
    log.error('an error', request.url);
    response.end(String(process.pid));
  });
  process.on('SIGTERM', () => process.exit(3));
  server.listen(0, '127.0.0.1', () => log.say('port ' + server.address().port + ';'));
`;

/** Starts a server on a terminal, and stops the terminal. `get` resolves with the process id of the server. */
async function stoppedTerminal(t: Scope) {
  const terminal = new Terminal(t, SERVER);
  const [, port] = await terminal.shows(/port (\d+);/);
  const get = async (path: string) => {
    const response = await within(`the server responded to GET ${path}`, fetch(`http://127.0.0.1:${port}${path}`));
    return Number(await response.text());
  };
  // The server responds when it has read the line, and the terminal has stopped by then.
  terminal.type(`${STOP}typed\n`);
  const pid = await get('/first');
  return { terminal, pid, get };
}

test('responds while the terminal is stopped, and writes every line afterwards', LIMIT, async (t) => {
  const { terminal, get } = await stoppedTerminal(t);
  for (let n = 0; n < 100; n++) await get(`/${n};`);
  assert.doesNotMatch(terminal.output, /\/first/, 'the terminal was not stopped');
  terminal.type(START);
  await Promise.all([terminal.shows(/GET \/99;/), terminal.shows(/:\d\d \/99;\s+an error/)]);
  for (const pattern of [/GET \/(\d+);/g, /:\d\d \/(\d+);\s+an error/g]) {
    const numbers = [...terminal.output.matchAll(pattern)].map(([, number]) => Number(number));
    assert.deepEqual(numbers, [...Array(100).keys()]);
  }
});

test('exits while the terminal is stopped', LIMIT, async (t) => {
  const { terminal, pid } = await stoppedTerminal(t);
  process.kill(pid, 'SIGTERM');
  assert.equal(await terminal.ended(), 3);
});

test('writes each line to a terminal at once, standard output and error in order', LIMIT, async (t) => {
  const terminal = new Terminal(t, `
    const log = new Log('text');
    for (let n = 0; n < 20; n++) {
      log.say('line ' + n);
      log.error('an error', 'error ' + n);
    }
    process.kill(process.pid, 'SIGKILL');
  `);
  await terminal.ended();
  const written = [...terminal.output.matchAll(/:\d\d ((?:line|error) \d+)/g)].map(([, what]) => what);
  assert.deepEqual(written, Array.from({ length: 20 }, (_, n) => [`line ${n}`, `error ${n}`]).flat());
});
