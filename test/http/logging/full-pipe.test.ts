import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { LoggingProcess } from './logging-process.ts';

const MKFIFO = '/usr/bin/mkfifo';
const LIMIT = { timeout: 60_000, skip: !existsSync(MKFIFO) && `${MKFIFO} is missing` };

/** More than any pipe holds, and as much in the time of a few turns of the event loop. */
const WRITE_MANY = `
  const log = new Log('json');
  for (let n = 0; n < 10_000; n++) log.request({ method: 'GET', url: '/' + n, headers: {} }, '', entry);
  await sleep(100);
  process.send('still running');
`;

/** Creates a pipe whose writer blocks when it is full. Node's own pipes to a child process are sockets. */
function createPipe(t: TestContext): { reader: number; writer: number } {
  const directory = mkdtempSync(join(tmpdir(), 'log-'));
  const path = join(directory, 'pipe');
  execFileSync(MKFIFO, [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  t.after(() => rmSync(directory, { recursive: true }));
  return { reader, writer };
}

test('runs on and exits though nobody reads a full pipe', LIMIT, async (t) => {
  const { reader, writer } = createPipe(t);
  t.after(() => closeSync(reader));
  const logging = new LoggingProcess(t, `${WRITE_MANY} process.exit(3);`, writer);
  closeSync(writer);
  assert.equal(await logging.message(), 'still running');
  assert.equal(await logging.ended(), 3);
});

/** Reads lines until the process ends, which it does when `last` has been read. */
async function readLines(logging: LoggingProcess, reader: number, last: RegExp): Promise<Record<string, unknown>[]> {
  let text = '';
  for await (const chunk of new Socket({ fd: reader, writable: false }).setEncoding('utf8')) {
    text += chunk;
    if (last.test(text.slice(-1_000)) && logging.child.connected) logging.child.send('all is read');
  }
  assert.equal(await logging.ended(), 0);
  return text.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('delivers every line once and in order through a pipe that was full', LIMIT, async (t) => {
  const { reader, writer } = createPipe(t);
  const logging = new LoggingProcess(t, `${WRITE_MANY} await once(process, 'message'); process.exit();`, writer);
  closeSync(writer);
  assert.equal(await logging.message(), 'still running');
  const lines = await readLines(logging, reader, /"\/9999"/);
  assert.deepEqual(lines.map(({ target }) => target), Array.from({ length: 10_000 }, (_, n) => `/${n}`));
});

test('says in a line of JSON how many lines it dropped', LIMIT, async (t) => {
  const { reader, writer } = createPipe(t);
  const logging = new LoggingProcess(t, `
    const log = new Log('json');
    const headers = { host: 'x'.repeat(10_000) };
    for (let n = 0; n < 2_000; n++) log.request({ method: 'GET', url: '/' + n, headers }, '', entry);
    process.send('written');
    await once(process, 'message');
    process.exit();
  `, writer);
  closeSync(writer);
  assert.equal(await logging.message(), 'written');
  const lines = await readLines(logging, reader, /dropped/);
  const [count] = /^\d+(?= lines were dropped)/.exec(String(lines.pop()!['error'])) ?? [];
  assert.equal(lines.length + Number(count), 2_000);
});
