import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../support/within.ts';
import { LoggingProcess } from './logging-process.ts';

const LIMIT = { timeout: 60_000, skip: process.platform === 'win32' && 'Windows has no limit of file sizes' };
const BLOCKS = 2048;
const MAX_FILE_BYTES = BLOCKS * 512;

test('continues in the middle of a line when a full disk has room again', LIMIT, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'log-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'access.log');
  const file = openSync(path, 'a');
  // A limit of the file's size fails as a full disk does. The last write is partial, and those after it are errors.
  const limit = ['sh', '-c', `ulimit -f ${BLOCKS}; exec "$0" "$@"`];
  const logging = new LoggingProcess(t, `
    const log = new Log('json');
    for (let n = 0; n < 15_000; n++) log.request({ method: 'GET', url: '/' + n, headers: {} }, '', entry);
    await sleep(200);
    process.send('has tried again');
    await once(process, 'message');
    process.exit();
  `, file, limit);
  closeSync(file);
  assert.equal(await logging.message(), 'has tried again');
  await eventually('the file was full', () => statSync(path).size === MAX_FILE_BYTES);
  const before = readFileSync(path, 'utf8');
  assert.doesNotMatch(before, /\n$/);
  truncateSync(path);
  await eventually('the last line was written', () => readFileSync(path, 'utf8').includes('"/14999"'));
  logging.child.send('all is written');
  assert.equal(await logging.ended(), 0, logging.errors);
  const lines = (before + readFileSync(path, 'utf8')).trimEnd().split('\n');
  const targets = lines.map((line) => (JSON.parse(line) as { target: string }).target);
  assert.deepEqual(targets, Array.from({ length: 15_000 }, (_, n) => `/${n}`));
});
