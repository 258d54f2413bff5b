import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contestants } from './contestants.ts';
import { ORIGIN } from './loads.ts';
import { startMain } from './our-server.ts';
import { showProgress } from './progress.ts';
import { table } from './report.ts';
import { type ServerProcess, cpuSeconds, peakMemory } from './server-process.ts';
import { median } from './statistics.ts';

const ROUNDS = 30;
const COMPARED = ['hono', 'polka', 'express', 'fastify'];

interface Start {
  /** In milliseconds. */
  readonly time: number;
  /** In milliseconds. */
  readonly cpu: number;
  /** In MB. */
  readonly memory: number;
}

/** Compares the costs of a start up to the first response, of this server, built and from source, and of others. */
export async function start(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'start-'));
  try {
    const root = fileURLToPath(new URL('../../../', import.meta.url));
    cpSync(join(root, 'package.json'), join(folder, 'package.json'));
    const flags = ['--disable-warning=ExperimentalWarning', join(root, 'scripts/deploy/strip-types.ts')];
    execFileSync(process.execPath, [...flags, join(root, 'src'), join(folder, 'build')]);
    const others = (await contestants()).filter(({ name }) => COMPARED.includes(name));
    const environment = { NODE_DISABLE_COMPILE_CACHE: '1' };
    const candidates = [
      { name: 'this server, built', start: () => startMain({ environment }, join(folder, 'build/main.js')) },
      { name: 'this server, from source', start: () => startMain({ environment }) },
      { name: 'this server, from source, not its first start', start: () => startMain() },
      ...others,
    ];
    const starts = candidates.map((): Start[] => []);
    for (let round = 0; round <= ROUNDS; round++) {
      showProgress(`round ${round} of ${ROUNDS}`);
      for (const [index, { start }] of candidates.entries()) {
        const measured = await measure(start);
        if (round > 0) starts[index]!.push(measured);
      }
    }
    showProgress('');
    const rows = candidates.map(({ name }, index) => {
      const runs = starts[index]!;
      // The mean, because the kernel counts CPU time in steps of 10 ms.
      const cpu = runs.reduce((sum, run) => sum + run.cpu, 0) / runs.length;
      const figures = [median(runs.map(({ time }) => time)), cpu, median(runs.map(({ memory }) => memory))];
      return [name, ...figures.map((figure) => figure.toFixed(0))];
    });
    return table(['up to the first response', 'time, ms', 'CPU time, ms', 'peak memory, MB'], rows);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measure(start: () => Promise<ServerProcess>): Promise<Start> {
  const startedAt = performance.now();
  const { id, port, stop } = await start();
  const request = get({ port, host: '127.0.0.1', agent: false, headers: { Origin: ORIGIN } });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const time = performance.now() - startedAt;
  response.resume();
  await once(response, 'end');
  const measured = { time, cpu: cpuSeconds(id) * 1000, memory: peakMemory(id) };
  await stop();
  if (response.statusCode !== 200) throw new Error(`GET / got ${response.statusCode}`);
  return measured;
}
