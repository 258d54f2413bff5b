import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { type Contestant, contestants } from './contestants.ts';
import { LOADS, type Load, ORIGIN, requestBytes } from './loads.ts';
import { showProgress } from './progress.ts';
import { table } from './report.ts';
import { responseTo } from './response.ts';
import { type ServerProcess, cpuSeconds, peakMemory } from './server-process.ts';
import { median } from './statistics.ts';

const ROUNDS = 5;
const CONNECTIONS = 25;
const DURATION_SECONDS = 2;
const WARM_UP_SECONDS = 1;

interface Measured extends Contestant {
  /** By the name of the load. */
  readonly runs: Readonly<Record<string, Run[]>>;
  /** In MB, one for each round. */
  readonly memory: number[];
}

/** The result of one run of a load. */
interface Run {
  /** CPU time a request, in microseconds. */
  readonly cpu: number;
  /** Requests a second. */
  readonly rate: number;
  /** In milliseconds. */
  readonly p99: number;
}

const FIGURES = [
  { key: 'cpu', title: 'CPU a request, µs', digits: 1 },
  { key: 'rate', title: 'requests a second', digits: 0 },
  { key: 'p99', title: 'p99, ms', digits: 1 },
] as const;

const load = promisify(execFile);

/** Compares this server with alternatives, each in its own process, under the same loads. */
export async function againstPeers(): Promise<string> {
  if (!existsSync(new URL('node_modules/autocannon', import.meta.url))) {
    throw new Error('First run: npm ci --prefix scripts/maintenance/bench');
  }
  const present: Measured[] = [];
  const missing: string[] = [];
  for (const { name, start } of await contestants()) {
    try {
      const server = await start();
      for (const load of LOADS) await expectResponse(server.port, load);
      await server.stop();
      present.push({ name, start, runs: Object.fromEntries(LOADS.map((load) => [load.name, []])), memory: [] });
    } catch (error) {
      const { message } = error as Error;
      missing.push(`${name} is missing: ${message.split('\n').find((line) => line.includes('Error')) ?? message}`);
    }
  }

  for (let round = 1; round <= ROUNDS; round++) {
    for (const { name, start, runs, memory } of round % 2 ? present : present.toReversed()) {
      // A new process each time, because V8's optimizations vary between processes.
      const server = await start();
      for (const load of LOADS) {
        showProgress(`round ${round} of ${ROUNDS}: ${load.name}, ${name}`);
        await runLoad(server, load, WARM_UP_SECONDS);
        runs[load.name]!.push(await runLoad(server, load, DURATION_SECONDS));
      }
      memory.push(peakMemory(server.id));
      await server.stop();
    }
  }
  showProgress('');

  const tables = LOADS.map(({ name }) => {
    const medians = present.map(({ runs }) => FIGURES.map(({ key }) => median(runs[name]!.map((run) => run[key]))));
    const rows = present.map((contestant, row) => [
      contestant.name,
      ...FIGURES.flatMap(({ digits }, column) => withRatio(medians[row]![column]!, medians[0]![column]!, digits)),
    ]);
    return `${name}\n\n${table(['', ...FIGURES.flatMap(({ title }) => [title, 'ratio'])], rows)}`;
  });
  const peaks = present.map(({ memory }) => median(memory));
  const memoryRows = present.map(({ name }, row) => [name, ...withRatio(peaks[row]!, peaks[0]!, 0)]);
  const memoryTable = table(['', 'peak memory, MB', 'ratio'], memoryRows);
  return [...tables, memoryTable, ...missing].join('\n\n');
}

/** Rejects if a server does not respond correctly. */
async function expectResponse(port: number, load: Load): Promise<void> {
  const response = await responseTo(port, requestBytes(load));
  const [head = '', body] = response.split('\r\n\r\n');
  const isRight =
    head.startsWith(`HTTP/1.1 ${load.status} `) &&
    body === load.response &&
    new RegExp(`^access-control-allow-origin: ${ORIGIN}$`, 'im').test(head) &&
    /^access-control-allow-credentials: true$/im.test(head);
  if (!isRight) throw new Error(`Error: its response to ${load.name} is ${JSON.stringify(response)}`);
}

async function runLoad({ id, port }: ServerProcess, { method, headers, body }: Load, duration: number): Promise<Run> {
  const options = { url: `http://127.0.0.1:${port}/`, method, headers, body, duration, connections: CONNECTIONS };
  const generator = new URL('load-generator.js', import.meta.url).pathname;
  const before = cpuSeconds(id);
  const { stdout } = await load(process.execPath, [generator, JSON.stringify(options)]);
  const seen = JSON.parse(stdout) as { requests: number; duration: number; p99: number; failed: number };
  if (seen.failed > 0) throw new Error(`${seen.failed} of ${seen.requests} requests failed`);
  return { cpu: ((cpuSeconds(id) - before) * 1e6) / seen.requests, rate: seen.requests / seen.duration, p99: seen.p99 };
}

function withRatio(value: number, ours: number, digits: number): [string, string] {
  return [value.toFixed(digits), (value / ours).toFixed(2)];
}
