import { setMaxListeners } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { relative, resolve } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';

/** For all files together, in seconds; a file that has not ended by then is named. */
const LIMIT = 300;

/** Runs these test files beside each other, and prints what failed, what was skipped and why, and a summary. */
async function runTests(files: readonly string[]): Promise<void> {
  const startedAt = Date.now();
  const limit = new AbortController();
  // Each file that runs listens to it.
  setMaxListeners(0, limit.signal);
  const tooLate = new Error(`This file had not ended ${LIMIT} seconds after the start`);
  setTimeout(() => limit.abort(tooLate), LIMIT * 1000).unref();
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const skips = new Set<string>();
  const errors = new Map<string, string>();
  // Half of the tests wait for something rather than compute; those that wait longest happen to come last.
  const options = { files: [...files].reverse(), concurrency: 2 * availableParallelism(), signal: limit.signal };
  for await (const { type, data } of run(options)) {
    if (type === 'test:stderr') errors.set(data.file, (errors.get(data.file) ?? '') + data.message);
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details.type === 'suite') continue;
    const outcome = data.skip !== undefined ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed';
    counts[outcome]++;
    if (outcome === 'skipped') skips.add(`skipped: ${data.skip}`);
    if (outcome !== 'failed') continue;
    const { name, file = name, details } = data;
    // A file that fails as a whole, because it cannot be loaded or does not end, says why on standard error.
    const why = resolve(name) === file ? (errors.get(file) ?? '') : '';
    console.log(`failed: ${relative('.', file)}: ${name}\n${why}${explain((details as { error: Error }).error)}\n`);
  }
  for (const line of skips) console.log(line);
  const seconds = Math.round((Date.now() - startedAt) / 1000);
  const { passed, failed, skipped } = counts;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped; ${files.length} files in ${seconds} seconds`);
  if (failed > 0 || passed + skipped === 0) process.exitCode = 1;
}

/** What a test threw, which node wraps in an error of its own. */
function explain(error: Error): string {
  const thrown = error.cause ?? error;
  const text = thrown instanceof Error && thrown.cause === undefined && thrown.stack ? thrown.stack : inspect(thrown);
  return text.replace(/^/gm, '  ');
}

function testsIn(folder: string, recursive = false): string[] {
  const files = readdirSync(folder, { recursive, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.test.ts')).map((file) => resolve(folder, file));
}

// Bare `node --test` runs this file too, among those that it is for.
if (!process.env['NODE_TEST_CONTEXT']) {
  const paths = process.argv.slice(2);
  const chosen = paths.flatMap((path) => (statSync(path).isDirectory() ? testsIn(path) : resolve(path)));
  await runTests(chosen.length > 0 ? chosen : testsIn(import.meta.dirname, true));
}
