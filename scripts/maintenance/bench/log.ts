import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BLOCK, cpuPerRequest, WARM_UP } from './blocks.ts';
import { LOADS, requestBytes } from './loads.ts';
import { listen, ourServer } from './our-server.ts';
import { table } from './report.ts';

const ROUNDS = 40;
/**
 * Lines are gathered before they are written, in milliseconds: what they cost belongs to the block that they are of.
 */
const UNTIL_WRITTEN = 150;

/** What the access log costs as JSON to a file, beside a server without one. */
export async function costOfLog(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  const path = join(directory, 'access.log');
  const output = openSync(path, 'w');
  const child = fork(new URL(import.meta.url), { stdio: ['ignore', output, 'inherit', 'ipc'] });
  const [costs] = (await once(child, 'message')) as [[number, number]];
  await once(child, 'exit');
  closeSync(output);
  const lines = readFileSync(path, 'utf8').split('\n').length - 1;
  rmSync(directory, { recursive: true });
  const expected = BLOCK * (ROUNDS + WARM_UP);
  if (lines !== expected) throw new Error(`The log has ${lines} lines for ${expected} requests`);
  const [json, off] = costs;
  const row = ['GET', json.toFixed(1), off.toFixed(1), (json / off).toFixed(3)];
  const figures = table(['CPU time a request', 'log json, µs', 'log off, µs', 'ratio'], [row]);
  return `${figures}\n\nAll ${lines} lines were in the file after the exit.`;
}

// In a process of its own, because the log is its standard output.
if (process.argv[1] === import.meta.filename) {
  const requests = [requestBytes(LOADS[0]!)];
  const servers = [ourServer({ log: 'json' }), ourServer()];
  const contestants = await Promise.all(servers.map(async (server) => ({ port: await listen(server), requests })));
  const costs = await cpuPerRequest(contestants, { rounds: ROUNDS, afterBlock: () => sleep(UNTIL_WRITTEN) });
  process.send!(costs, () => process.exit());
}
