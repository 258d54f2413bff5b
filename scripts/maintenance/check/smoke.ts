/**
 * Checks the README. Runs the commands after `$` in its console blocks in a shell, and compares the output with the
 * lines below each. `…` matches anything. The sample endpoint and its test are added to a copy and run.
 */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { required } from '../../../test/required-settings.ts';
import { Command } from './process.ts';

const readme = readFileSync('README.md', 'utf8');
let server: Command | undefined;
let port = 8000;
let checked = 0;

for (const [, block] of readme.matchAll(/^```console\n([^]*?)^```$/gm)) {
  for (const example of block!.split(/^\$ /m).slice(1)) {
    const [command, ...lines] = example.replaceAll('\\\n', '').trim().split('\n');
    if (command!.endsWith('npm start')) compare(command!, lines, await start('npm start'));
    else if (command!.includes('curl')) compare(command!, lines, await run(command!));
    else continue;
    ok(command!);
  }
}
await stop();
assert.ok(checked >= 4, 'The README has fewer checked examples than before');
await checkHealth();
await checkExample();
console.log(`${checked} passed, 0 failed`);

function ok(what: string): void {
  checked++;
  console.log(`ok: ${what}`);
}

async function run(command: string): Promise<string> {
  const sent = new Command(`${command.replaceAll(':8000', `:${port}`)} --max-time 20 2>/dev/null`);
  await sent.ended();
  return sent.output;
}

/** Starts the server on a free port, and resolves with its output. */
async function start(command: string, environment: NodeJS.ProcessEnv = {}): Promise<string> {
  await stop();
  server = new Command(command, { PORT: '0', LOG: 'text', ...required, ...environment });
  port = Number((await server.printed(/http:\/\/127\.0\.0\.1:(\d+)/))[1]);
  await server.printed(/^CORS: .*\n/m);
  return server.output;
}

async function stop(): Promise<void> {
  server?.kill('SIGTERM');
  await server?.ended();
  server = undefined;
}

async function checkHealth(): Promise<void> {
  // npm would forward the signal a second time.
  await start('exec node --import tsx src/main.ts', { SHUTDOWN_DELAY: '3600' });
  const health = () => fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(20_000) });
  assert.equal((await health()).status, 200);
  server!.kill('SIGTERM');
  const deadline = Date.now() + 20_000;
  while ((await health()).status !== 503) {
    assert.ok(Date.now() < deadline, 'Waited 20 seconds, but /health did not respond 503');
  }
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  server!.kill('SIGTERM');
  await server!.ended();
  server = undefined;
  ok('/health responds 503 during SHUTDOWN_DELAY, and other paths as usual');
}

/** Checks the blocks that begin with a file name. A block with `…` has lines to add to that file. */
async function checkExample(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'readme-'));
  try {
    const tests = ['listen.ts', 'run.ts', 'load-compiled.js', 'required-settings.ts'].map((file) => `test/${file}`);
    for (const name of ['src', ...tests, 'package.json', 'tsconfig.json']) {
      cpSync(name, join(folder, name), { recursive: true });
    }
    symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
    const blocks = new Map<string, string>();
    for (const [, file, code] of readme.matchAll(/^```ts\n\/\/ (\S+)\n([^]*?)^```$/gm)) blocks.set(file!, code!);
    assert.deepEqual([...blocks.keys()], ['src/handlers/hello.ts', 'src/routes.ts', 'test/hello.test.ts']);
    for (const [file, code] of blocks) {
      const [imports, routes] = code.split('…\n');
      const whole = routes === undefined ? code : withLines(readFileSync(file, 'utf8'), imports!, routes);
      writeFileSync(join(folder, file), whole);
    }
    for (const command of ['npx tsc', 'node --import tsx test/run.ts test/hello.test.ts']) {
      const step = new Command(command, {}, folder);
      assert.equal(await step.ended(), 0, step.output);
    }
    ok('the endpoint that the README adds compiles, and its test passes');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Returns the routes with an import and a route of the README added. */
function withLines(source: string, imports: string, routes: string): string {
  const start = 'routes = {\n';
  assert.ok(source.includes(start), 'src/routes.ts has no place for the route of the README');
  return imports + source.replace(start, () => start + routes);
}

function compare(command: string, lines: string[], output: string): void {
  let rest = output.replaceAll('\r', '').replaceAll(`:${port}`, ':8000');
  for (const line of lines.filter(Boolean)) {
    const pattern = line.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', '.*');
    const found = new RegExp(pattern).exec(rest);
    assert.ok(found, `${command}\nmust print\n  ${line}\nbut printed\n${output}`);
    rest = rest.slice(found.index + found[0].length);
  }
}
