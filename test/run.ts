import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { required } from './required-settings.ts';

// `npm test` runs this file, which finds the test files and passes them and its options to `node --test`.

/** Four files at a time, because half of the tests mostly wait. */
const OPTIONS = ['--test', '--test-concurrency=4', '--test-timeout=120000'];

function filesIn(folder: string, ending: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith(ending)).map((file) => relative('.', join(folder, file)));
}

function testsAt(path: string): string[] {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry && !path.includes('*')) {
    console.error(`${path}: no such file or folder (an option has its value after =, as in --test-name-pattern=note)`);
    process.exit(1);
  }
  if (!entry?.isDirectory()) return [path];
  return filesIn(path, '.test.ts');
}

/** Compiles all TypeScript into this folder, and returns the module that loads it from there in place of tsx. */
function compileInto(folder: string): string {
  const entries = readdirSync('.', { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && !/^\.|^node_modules$/.test(entry.name));
  const files = folders.flatMap(({ name }) => filesIn(name, '.ts'));
  const entryPoints = files.filter((file) => !/[\\/]node_modules[\\/]/.test(file));
  const { buildSync } = createRequire(import.meta.resolve('tsx'))('esbuild') as typeof import('esbuild');
  const how = { outdir: '.', outbase: '.', write: false, sourcemap: 'inline', keepNames: true } as const;
  for (const { path, contents } of buildSync({ ...how, entryPoints, logLevel: 'silent' }).outputFiles) {
    const file = join(folder, relative('.', path));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, contents);
  }
  const query = new URLSearchParams({ folder: `${pathToFileURL(folder)}/` });
  return String(new URL(`load-compiled.js?${query}`, import.meta.url));
}

/** Returns the compiled code's loader, or tsx if the code does not compile, so that the test that imports it fails. */
function loader(folder: string): string {
  try {
    return compileInto(folder);
  } catch (error) {
    console.error(`The tests run with tsx, because the code could not be compiled: ${(error as Error).message}`);
    return 'tsx';
  }
}

/** Runs the tests, and returns the exit code. It is also 1 if no test ran, for which Node has 0. */
function runTests(files: readonly string[], options: readonly string[]): number {
  if (files.length === 0) return console.error('The folder contains no test file'), 1;
  const folder = mkdtempSync(join(tmpdir(), 'tests-'));
  // Ctrl+C also ends the child process, after which the folder is removed.
  process.on('SIGINT', () => {});
  try {
    const results = join(folder, 'results.tap');
    const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout',
      '--test-reporter=tap', `--test-reporter-destination=${results}`];
    const hasReporter = options.some((option) => option.startsWith('--test-reporter'));
    const isWatching = options.some((option) => option.startsWith('--watch'));
    const inherited = process.execArgv.map((option) => (option === 'tsx' && !isWatching ? loader(folder) : option));
    const all = [...inherited, ...OPTIONS, ...(hasReporter ? [] : reporters), ...options, ...files];
    const env = { ...required, ...process.env };
    const { status } = spawnSync(process.execPath, all, { stdio: 'inherit', env });
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
