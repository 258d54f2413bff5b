import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { within } from '../support/within.ts';

const run = promisify(execFile);

// After these numbers, V8 would settle the size of a class too early if none of its objects were alive.
for (const requests of [2, 4, 6]) {
  test(`keeps objects in fast mode after ${requests} requests and a full collection`, async () => {
    const file = fileURLToPath(new URL('warm-up-process.ts', import.meta.url));
    const measured = run(process.execPath, [...process.execArgv, file, String(requests)], { timeout: 30_000 });
    const { stdout } = await within('the process has measured', measured);
    assert.deepEqual(JSON.parse(stdout), []);
  });
}
