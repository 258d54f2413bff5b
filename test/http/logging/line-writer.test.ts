import assert from 'node:assert/strict';
import { type ChildProcess, type IOType, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { before, describe, test } from 'node:test';
import { within } from '../support/within.ts';

const START = `
import { once } from 'node:events';
import { Socket } from 'node:net';
import { LineWriter } from './src/http/node/line-writer.ts';
const turns = async (count) => { while (count-- > 0) await new Promise((resolve) => setTimeout(resolve, 5)); };
const sockets = [];
// A full pipe then fails with EAGAIN instead of blocking the writer, as after a use of process.stdout.
const nonBlocking = (descriptor) => sockets.push(new Socket({ fd: descriptor, readable: false }));
// 1 MB is more than any pipe buffers.
const many = (writer) => { for (let n = 0; n < 10_000; n++) writer.write(String(n).padStart(99, '.')); };
`;

/** Runs code in a child process whose LineWriters use file descriptors 3 and up. */
class WritingProcess {
  readonly child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #said: unknown[] = [];

  constructor(code: string, descriptors: (IOType | number)[]) {
    this.child = spawn(process.execPath, [...process.execArgv, '--input-type=module', '--eval', START + code], {
      stdio: ['ignore', 'ignore', 'inherit', ...descriptors, 'ipc'],
    });
    this.#closed = once(this.child, 'close');
    this.child.on('message', (words) => this.#said.push(words));
  }

  pipe(descriptor: number): Readable {
    return this.child.stdio[descriptor] as Readable;
  }

  /** Resolves with its next message. */
  async said(): Promise<unknown> {
    while (this.#said.length === 0) {
      if (this.child.exitCode !== null) throw new Error('The process ended before it said anything');
      await within('the process said something', Promise.race([once(this.child, 'message'), this.#closed]));
    }
    return this.#said.shift();
  }

  /** Resolves with the exit code once all output has been read. */
  async ended(): Promise<number | null> {
    await within('the process ended', this.#closed);
    return this.child.exitCode;
  }
}

/** Collects what a pipe delivers from now on. */
class Reading {
  readonly #chunks: string[] = [];
  #tail = '';
  readonly #pipe: Readable;

  constructor(pipe: Readable) {
    this.#pipe = pipe.setEncoding('utf8').on('data', (chunk: string) => {
      this.#chunks.push(chunk);
      this.#tail = (this.#tail + chunk).slice(-200);
    });
  }

  get text(): string {
    return this.#chunks.join('');
  }

  async until(end: RegExp): Promise<void> {
    while (!end.test(this.#tail)) await within(`${end} was read`, once(this.#pipe, 'data'));
  }
}

function assertMany(output: string): void {
  const lines = output.split('\n');
  assert.equal(lines.length, 10_001);
  assert.equal(lines.pop(), '');
  const isInOrder = lines.every((line, n) => Number(line.replaceAll('.', '')) === n);
  assert.ok(isInOrder, 'The lines are not as they were written');
}

describe('LineWriter in a running process', () => {
  const code = `
    for (const descriptor of [3, 4, 5]) nonBlocking(descriptor);
    const [full, dropped, wide] = [3, 4, 5].map((descriptor) => new LineWriter(descriptor));
    wide.write('é €');
    many(full);
    // 20 MB is more than the queue limit and what is written meanwhile.
    for (let n = 0; n < 20_000; n++) {
      dropped.write('line ' + n + ' ' + 'x'.repeat(1_000));
      if (n % 1_000 === 0) await turns(n === 1_000 ? 20 : 1);
    }
    process.send('written');
    process.once('message', () => process.exit());
  `;
  const outputs = { full: '', dropped: '', wide: '' };

  before(async () => {
    const writing = new WritingProcess(code, ['pipe', 'pipe', 'pipe']);
    try {
      // Let the process run several event-loop turns before reading.
      assert.equal(await writing.said(), 'written');
      const readings = [3, 4, 5].map((descriptor) => new Reading(writing.pipe(descriptor)));
      const ends = [/9999\n$/, / dropped.*\n$/, / €\n$/];
      await Promise.all(readings.map((reading, index) => reading.until(ends[index]!)));
      // Everything arrived while the process was running. Duplicates would arrive at exit.
      writing.child.send('All is read');
      assert.equal(await writing.ended(), 0);
      const [full, dropped, wide] = readings.map(({ text }) => text);
      Object.assign(outputs, { full, dropped, wide });
    } finally {
      writing.child.kill('SIGKILL');
    }
  });

  test('delivers every line once and in order through a full non-blocking pipe (EAGAIN)', () => {
    assertMany(outputs.full);
  });

  test('drops and counts lines beyond the backlog limit', () => {
    const output = outputs.dropped;
    const kept = [...output.matchAll(/^line (\d+) x{1000}$/gm)].map((match) => Number(match[1]));
    const dropped = [...output.matchAll(/(\d+) lines were dropped/g)].reduce((sum, match) => sum + Number(match[1]), 0);
    assert.ok(dropped > 0);
    assert.equal(kept.length + dropped, 20_000);
    const isInOrder = kept.every((number, index) => index === 0 || number > kept[index - 1]!);
    assert.ok(isInOrder, 'They are not in order');
  });

  test('writes UTF-8', () => {
    assert.equal(outputs.wide, 'é €\n');
  });
});

describe('LineWriter in an exiting process', () => {
  const isLinux = process.platform === 'linux';
  const code = `
    // Make sure that an error during exit changes the exit code.
    process.on('uncaughtException', (error) => { console.error(error); process.exit(7); });
    for (const descriptor of [3, 4, 5]) nonBlocking(descriptor);
    const [slow, unread, closed, full] = [3, 4, 5, 6].map((descriptor) => new LineWriter(descriptor));
    process.send('here');
    await once(process, 'message');
    for (let round = 0; round < 3; round++) {
      for (const writer of [closed, full]) for (let n = 0; n < 100; n++) writer.write('line ' + n);
      await turns(15);
    }
    const { user, system } = process.cpuUsage();
    await turns(40);
    const since = process.cpuUsage({ user, system });
    many(unread);
    await turns(10);
    many(slow);
    for (const writer of [closed, full]) writer.write('last');
    process.send(since.user + since.system, () => process.exit(3));
  `;
  const end = { cpu: 0, slow: '', exitCode: null as number | null };

  before(async () => {
    const ending = new WritingProcess(code, ['pipe', 'pipe', 'pipe', isLinux ? openSync('/dev/full', 'w') : 'ignore']);
    try {
      assert.equal(await ending.said(), 'here');
      ending.pipe(5).destroy();
      ending.child.send('The reader is gone');
      const cpu = await ending.said();
      const slow = new Reading(ending.pipe(3));
      // The other pipe is not read before the process exits.
      if (ending.child.exitCode === null) await within('the process ended', once(ending.child, 'exit'));
      ending.pipe(4).resume();
      const exitCode = await ending.ended();
      Object.assign(end, { cpu, slow: slow.text, exitCode });
    } finally {
      ending.child.kill('SIGKILL');
    }
  });

  test('flushes pending lines at exit, even to a slow pipe', () => {
    assertMany(end.slow);
    assert.equal(end.exitCode, 3);
  });

  test('exits even if nobody reads the pipe', () => {
    assert.equal(end.exitCode, 3);
  });

  for (const [what, skip] of [['a pipe that its reader has closed', false], ['a full disk', !isLinux]] as const) {
    test(`survives ${what} without busy waiting`, { skip }, () => {
      // CPU time in microseconds during 200 ms of wall time.
      assert.ok(end.cpu < 150_000, `${end.cpu} microseconds`);
      assert.equal(end.exitCode, 3);
    });
  }
});
