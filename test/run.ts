import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

// npm test: finds the test files and hands them to `node --test`, with the options that it was given.

/** Half of the tests wait rather than compute. */
const OPTIONS = ['--test', '--test-concurrency=4', '--test-timeout=120000'];

function testsAt(path: string): string[] {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry && !path.includes('*')) {
    console.error(`${path}: no such file or folder (an option has its value after =, as in --test-name-pattern=note)`);
    process.exit(1);
  }
  if (!entry?.isDirectory()) return [path];
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.test.ts')).map((file) => relative('.', join(path, file)));
}

/** Runs the tests, and returns the exit code: 1 also if no test ran, for which Node has 0. */
function runTests(files: readonly string[], options: readonly string[]): number {
  if (files.length === 0) return console.error('There is no test file'), 1;
  const folder = mkdtempSync(join(tmpdir(), 'tests-'));
  try {
    const results = join(folder, 'results.tap');
    const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout',
      '--test-reporter=tap', `--test-reporter-destination=${results}`];
    const hasReporter = options.some((option) => option.startsWith('--test-reporter'));
    const all = [...process.execArgv, ...OPTIONS, ...(hasReporter ? [] : reporters), ...options, ...files];
    const { status } = spawnSync(process.execPath, all, { stdio: 'inherit' });
    if (status !== 0 || hasReporter) return status ?? 1;
    // A file without tests counts as a test with its name.
    if (/^ *ok \d+ - (?!.*(?:# SKIP|\.test\.ts$))/m.test(readFileSync(results, 'utf8'))) return 0;
    return console.error('No test ran'), 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// A plain `node --test` runs this file as well, among the tests.
if (!process.env['NODE_TEST_CONTEXT']) {
  const given = process.argv.slice(2);
  const paths = given.filter((argument) => !argument.startsWith('-'));
  const files = (paths.length > 0 ? paths : [import.meta.dirname]).flatMap(testsAt);
  process.exitCode = runTests(files, given.filter((argument) => argument.startsWith('-')));
}
