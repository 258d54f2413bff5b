import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { type TestContext, describe, test } from 'node:test';
import { within } from './waiting.ts';

const LIMIT = { timeout: 60_000 };

/** Runs code that has a LineWriter on standard output, `writer`, and `say`, which writes to standard error. */
function run(t: TestContext, code: string, stdout: 'pipe' | number = 'pipe'): ChildProcess {
  const child = spawn(process.execPath, argumentsFor(code), { stdio: ['pipe', stdout, 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

function argumentsFor(code: string): string[] {
  const start = `
import { writeSync } from 'node:fs';
import { LineWriter } from './src/http/line-writer.ts';
const writer = new LineWriter(1);
const say = (word) => writeSync(2, word + '\\n');
const turns = async (count) => { while (count-- > 0) await new Promise((resolve) => setTimeout(resolve, 5)); };
`;
  return [...process.execArgv, '--input-type=module', '--eval', start + code];
}

/** Resolves with all that is on standard error once it has `word` in it. */
async function said(child: ChildProcess, word: string): Promise<string> {
  let all = '';
  while (!all.includes(word)) {
    const [chunk] = await within(`the process to say ${word}`, once(child.stderr!, 'data'));
    all += String(chunk);
  }
  return all;
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null) await within('the process to end', once(child, 'exit'));
  return child.exitCode;
}

// Each has a process of its own, and spends most of its time waiting.
describe('the lines of a process', { concurrency: 4 }, () => {
  /** With this a full pipe answers EAGAIN in place of keeping the writer waiting. */
  const NON_BLOCKING = 'void process.stdout;';
  /** More than any pipe holds: 1 MB. */
  const MANY = "for (let n = 0; n < 10_000; n++) writer.write(String(n).padStart(99, '.'));";

  for (const [kind, first] of [
    ['answers EAGAIN', NON_BLOCKING],
    ['keeps its writer waiting', ''],
  ]) {
    test(
      `a full pipe that ${kind} stops neither the process nor a line: all come, once and in order`,
      LIMIT,
      async (t) => {
        const child = run(
          t,
          `${first} ${MANY} await turns(20); say('turning'); process.stdin.once('data', () => process.exit());`,
        );
        // The process has turned round and round before anyone reads.
        await said(child, 'turning');
        const lines: string[] = [];
        const read = (async () => {
          for await (const chunk of child.stdout!) {
            const parts = String(chunk).split('\n');
            lines.push((lines.pop() ?? '') + parts.shift()!, ...parts);
            if (lines.length > 9_999 && lines.at(-1) === '') child.stdin!.write('done');
          }
        })();
        await within('all lines', read);
        assert.equal(lines.length, 10_001);
        assert.ok(
          lines.slice(0, -1).every((line, n) => Number(line.replaceAll('.', '')) === n),
          'The lines are not as they were written',
        );
      },
    );
  }

  test(
    'lines that nobody reads are dropped beyond a limit, and counted: what is kept is in order',
    LIMIT,
    async (t) => {
      const child = run(
        t,
        `
      // 40 MB: twice and more of what may wait.
      for (let n = 0; n < 40_000; n++) {
        writer.write('line ' + n + ' ' + 'x'.repeat(1_000));
        if (n % 1_000 === 0) await turns(1);
      }
      say('written');
      process.stdin.once('data', () => process.exit());
    `,
      );
      await said(child, 'written');
      const chunks: string[] = [''];
      const read = (async () => {
        for await (const chunk of child.stdout!) {
          const tail = chunks.at(-1)!.slice(-100) + String(chunk);
          chunks.push(String(chunk));
          if (/ dropped.*\n$/.test(tail.slice(-100))) child.stdin!.write('exit');
        }
      })();
      await within('all output', read);
      const output = chunks.join('');
      const kept = [...output.matchAll(/^line (\d+) x{1000}$/gm)].map((match) => Number(match[1]));
      const dropped = [...output.matchAll(/(\d+) lines were dropped/g)].reduce(
        (sum, match) => sum + Number(match[1]),
        0,
      );
      assert.ok(dropped > 0);
      assert.equal(kept.length + dropped, 40_000);
      assert.ok(
        kept.every((number, index) => index === 0 || number > kept[index - 1]!),
        'They are not in order',
      );
    },
  );

  test(
    'what is written right before the end of the process is written, be the pipe slow to take it',
    LIMIT,
    async (t) => {
      const child = run(t, `${NON_BLOCKING} ${MANY} say('exit'); process.exit(3);`);
      await said(child, 'exit');
      const output = await within('all output', text(child.stdout!));
      assert.equal(output.split('\n').length, 10_001);
      assert.equal(await exitCode(child), 3);
    },
  );

  test('a pipe that nobody reads does not keep the process from ending', LIMIT, async (t) => {
    const child = run(t, `${NON_BLOCKING} ${MANY} await turns(10); process.exit(3);`);
    assert.equal(await exitCode(child), 3);
  });

  const CANNOT = `
    process.on('uncaughtException', (error) => { say('fatal ' + error); process.exit(7); });
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 100; n++) writer.write('line ' + n);
      await turns(15);
    }
    const { user, system } = process.cpuUsage();
    await turns(40);
    const since = process.cpuUsage({ user, system });
    say('alive ' + (since.user + since.system));
    writer.write('last');
    process.exit(3);
  `;

  test('a pipe whose reader is gone stops neither the process nor its end, and nobody spins', LIMIT, async (t) => {
    const child = run(t, `await new Promise((resolve) => process.stdin.once('data', resolve)); ${CANNOT}`);
    child.stdout!.destroy();
    child.stdin!.end('gone');
    const words = await said(child, '\n');
    assert.match(words, /^alive (\d+)$/m);
    // Of 200 milliseconds that pass; in microseconds.
    assert.ok(Number(/alive (\d+)/.exec(words)![1]) < 150_000, words);
    assert.equal(await exitCode(child), 3);
  });

  test(
    'a full disk stops neither the process nor its end, and nobody spins',
    { ...LIMIT, skip: process.platform !== 'linux' },
    async (t) => {
      const child = run(t, CANNOT, openSync('/dev/full', 'w'));
      const words = await said(child, '\n');
      assert.match(words, /^alive (\d+)$/m);
      assert.ok(Number(/alive (\d+)/.exec(words)![1]) < 150_000, words);
      assert.equal(await exitCode(child), 3);
    },
  );

  test('control characters that a terminal obeys are escaped, in one line as in many', LIMIT, async (t) => {
    const child = run(t, "writer.write('a\\x7fb\\x9bc'); writer.write('é €'); process.exit();");
    assert.equal(await text(child.stdout!), 'a\\u007fb\\u009bc\né €\n');
  });
});
