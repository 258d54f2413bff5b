import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { on, once } from 'node:events';
import {
  cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { required } from './required-settings.ts';

/** Timeout for all restarts together, in milliseconds. */
const TIMEOUT_MS = 100_000;
const SAVE_AGAIN_MS = 1000;
const TSX = fileURLToPath(new URL('../node_modules/tsx/dist/cli.mjs', import.meta.url));
const skip = existsSync(TSX) ? false : 'npm install brings tsx';

test('restarts on every save by rename and every change of .env', { skip }, async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'dev-'));
  cpSync(fileURLToPath(new URL('../src', import.meta.url)), join(cwd, 'src'), { recursive: true });
  // A handler may import a package.
  symlinkSync(fileURLToPath(new URL('../node_modules', import.meta.url)), join(cwd, 'node_modules'));
  const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
  const [program, ...parameters] = scripts.dev.split(' ');
  assert.equal(program, 'tsx');
  const env = { PATH: process.env['PATH'], LOG: 'off', PORT: '0', ...required };
  const dev = spawn(process.execPath, [TSX, ...parameters], { cwd, env, timeout: TIMEOUT_MS });
  const exited = once(dev, 'exit');
  t.after(async () => {
    // tsx passes the signal on to the server, which a SIGKILL would leave running.
    dev.kill('SIGTERM');
    await exited;
    rmSync(cwd, { recursive: true });
  });
  let output = '';
  const lines = on(dev.stdout.setEncoding('utf8'), 'data', { signal: AbortSignal.timeout(TIMEOUT_MS) });
  dev.stderr.on('data', (chunk) => dev.stdout.emit('data', String(chunk)));
  const until = async (pattern: RegExp) => {
    while (!pattern.test(output)) output += (await lines.next()).value![0];
    output = output.split(pattern).at(-1)!;
  };
  const save = async (file: string, content: string, expected: RegExp) => {
    const write = () => {
      writeFileSync(join(cwd, 'saved'), content);
      renameSync(join(cwd, 'saved'), join(cwd, file));
    };
    write();
    // On Node 24 and newer, the server may listen before tsx watches its files.
    const again = setInterval(write, SAVE_AGAIN_MS);
    await until(/Restarting/).finally(() => clearInterval(again));
    await until(expected);
  };
  const routes = readFileSync(join(cwd, 'src/routes.ts'), 'utf8');

  await until(/Listening/);
  for (const round of [1, 2, 3]) await save('src/routes.ts', `${routes}// ${round}\n`, /Listening/);
  for (const [content, result] of [['1', /Listening/], ['x', /BODY_LIMIT=x: must/], ['2', /Listening/]] as const) {
    await save('.env', `BODY_LIMIT=${content}\n`, result);
  }
  rmSync(join(cwd, '.env'));
  await until(/Listening/);
});
