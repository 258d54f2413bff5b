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
/** The log buffers entries. Their cost must fall into the block to which they belong. */
const WRITTEN_AFTER_MS = 150;

/** Compares the CPU time per request with a JSON access log in a file and without a log. */
export async function costOfLog(): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  const path = join(directory, 'access.log');
  const output = openSync(path, 'w');
  const child = fork(new URL(import.meta.url), { stdio: ['ignore', output, 'inherit', 'ipc'] });
  const [costs] = (await once(child, 'message')) as [[number, number]];
  await once(child, 'exit');
  closeSync(output);
  const entries = readFileSync(path, 'utf8').split('\n').length - 1;
  rmSync(directory, { recursive: true });
  const expected = BLOCK * (ROUNDS + WARM_UP);
  if (entries !== expected) throw new Error(`The log has ${entries} entries for ${expected} requests`);
  const [json, off] = costs;
  const row = ['GET', json.toFixed(1), off.toFixed(1), (json / off).toFixed(3)];
  const figures = table(['CPU time a request', 'log json, µs', 'log off, µs', 'ratio'], [row]);
  return `${figures}\n\nAll ${entries} entries were in the file after the exit.`;
}

// A process of its own, because the log is its standard output.
if (process.argv[1] === import.meta.filename) {
  const requests = [requestBytes(LOADS[0]!)];
  const servers = [ourServer({ log: 'json' }), ourServer()];
  const contestants = await Promise.all(servers.map(async (server) => ({ port: await listen(server), requests })));
  const costs = await cpuPerRequest(contestants, { rounds: ROUNDS, afterBlock: () => sleep(WRITTEN_AFTER_MS) });
  process.send!(costs, () => process.exit());
}
