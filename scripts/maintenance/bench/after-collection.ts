import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ourHeaderLines } from './against-baseline.ts';
import { LOADS } from './loads.ts';
import { listen, ourServer } from './our-server.ts';
import { showProgress } from './progress.ts';
import { table } from './report.ts';
import { median } from './statistics.ts';

const SERVERS = ['this server', 'baseline'] as const;
const STATES = Array.from({ length: 13 }, (_, count) => count);
const PROCESS_TIMEOUT_MS = 60_000;

const run = promisify(execFile);

/**
 * Measures the cost of a request after n requests and a full garbage collection, each time in a new process. If V8
 * collects before it has seen enough instances of a class, it keeps a worse layout for good.
 *
 * @param processes number of processes for each n. The lowest cost counts, because other work only adds to it
 */
export async function afterCollection(processes: number): Promise<string> {
  const server = ourServer();
  const headerLines = JSON.stringify(await ourHeaderLines(await listen(server)));
  server.close();
  const rows = [];
  for (const { name: load } of LOADS) {
    const lowest = SERVERS.map(() => STATES.map(() => Infinity));
    for (let round = 1; round <= processes; round++) {
      showProgress(`${load}, round ${round} of ${processes}`);
      for (const count of STATES) {
        for (const [index, name] of SERVERS.entries()) {
          const cost = await costOf(name, load, count, headerLines);
          lowest[index]![count] = Math.min(lowest[index]![count]!, cost);
        }
      }
    }
    for (const [index, name] of SERVERS.entries()) {
      const costs = lowest[index]!;
      const spread = Math.max(...costs) / median(costs);
      rows.push([`${load}, ${name}`, ...costs.map((cost) => cost.toFixed(1)), spread.toFixed(2)]);
    }
  }
  return table(['CPU a request, µs, after', ...STATES.map(String), 'worst ÷ median'], rows);
}

async function costOf(name: string, load: string, count: number, headerLines: string): Promise<number> {
  const program = fileURLToPath(new URL('one-state.ts', import.meta.url));
  const parameters = [...process.execArgv, program, name, load, String(count), headerLines];
  const { stdout } = await run(process.execPath, parameters, { timeout: PROCESS_TIMEOUT_MS });
  return Number(stdout);
}
