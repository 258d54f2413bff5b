/**
 * Checks every promise of the README: what stands behind `$` in its console blocks is run by a shell, as a person
 * would, and the lines under it must come back, in their order; `…` stands for anything.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

let server: ChildProcess | undefined;
let port = 8000;
let checked = 0;

const readme = readFileSync('README.md', 'utf8');
for (const [, block] of readme.matchAll(/^```console\n([^]*?)^```$/gm)) {
  for (const promise of block!.split(/^\$ /m).slice(1)) {
    const [command, ...lines] = promise.replaceAll('\\\n', '').trim().split('\n');
    if (command!.endsWith('npm start')) compare(command!, lines, await start(command!));
    else if (command!.includes('curl')) compare(command!, lines, run(command!));
    else continue;
    checked++;
    console.log(`ok: ${command}`);
  }
}
await stop();
assert.ok(checked >= 4, 'The README promises less than it did');
console.log(`${checked} passed, 0 failed`);

function run(command: string): string {
  return execFileSync('sh', ['-c', command.replaceAll(':8000', `:${port}`)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

/** Starts the server on a free port, in a process group of its own, so that npm and node stop together. */
async function start(command: string): Promise<string> {
  await stop();
  const started = spawn('sh', ['-c', command.replace('npm install && ', '')], {
    env: { ...process.env, PORT: '0', LOG: 'text' },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  server = started;
  let output = '';
  started.stdout.on('data', (chunk) => (output += chunk));
  const address = /http:\/\/127\.0\.0\.1:(\d+)/;
  while (!address.test(output)) {
    assert.equal(started.exitCode, null, `${command} ended early: ${output}`);
    await Promise.race([once(started.stdout, 'data'), once(started, 'exit')]);
  }
  port = Number(address.exec(output)![1]);
  return output;
}

async function stop(): Promise<void> {
  if (!server) return;
  process.kill(-server.pid!, 'SIGTERM');
  await once(server, 'exit');
  server = undefined;
}

function compare(command: string, lines: string[], output: string): void {
  let rest = output.replaceAll('\r', '').replaceAll(`:${port}`, ':8000');
  for (const line of lines.filter(Boolean)) {
    const pattern = line.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('…', '.*');
    const found = new RegExp(pattern).exec(rest);
    assert.ok(found, `${command}\ndid not answer\n  ${line}\nbut\n${output}`);
    rest = rest.slice(found.index + found[0].length);
  }
}
