import { once } from 'node:events';
import { cpuPerRequest } from './blocks.ts';
import { type Contestant, contestants } from './contestants.ts';
import { LOADS, type Load, requestBytes } from './loads.ts';
import { table } from './report.ts';
import { responseTo } from './response.ts';
import type { ServerProcess } from './server-process.ts';
import { median } from './statistics.ts';

const MOST_REQUESTS = 12;
/** The number of requests after which servers are compared with the baseline. */
const COMPARED = 3;
const ROUNDS = 12;
const COLLECTION_TIMEOUT_MS = 10_000;

interface Choice {
  /** Names of loads and of servers. The default is all. */
  readonly loads?: readonly string[] | undefined;
  readonly servers?: readonly string[] | undefined;
  /** The number of processes for each state, because V8's optimizations vary between processes. */
  readonly processes: number;
}

/**
 * Measures the cost of a request after n requests and a full garbage collection, each n in its own processes. If V8
 * collects before it has seen enough instances of a class, it keeps a worse layout for good.
 */
export async function afterCollection(choice: Choice): Promise<string> {
  const all = (await contestants()).filter(({ name }) => name !== 'Python');
  const baseline = all.find(({ name }) => name === 'baseline')!;
  const loads = choose('load', LOADS, choice.loads);
  const servers = choose('server', all, choice.servers);
  const states = Array.from({ length: MOST_REQUESTS + 1 }, (_, count) => count);
  const rows = [];
  for (const load of loads) {
    for (const server of servers) {
      const runs: Awaited<ReturnType<typeof costs>>[] = [];
      for (let run = 1; run <= choice.processes; run++) {
        const what = `${load.name}, ${server.name}, ${run} of ${choice.processes}: `;
        runs.push(await costs(server, baseline, load, states, what));
      }
      const middle = states.map((count) => median(runs.map(({ byState }) => byState[count]!)));
      const besideBaseline = median(runs.map(({ byState, ofBaseline }) => byState[COMPARED]! / ofBaseline));
      const spread = Math.max(...middle) / median(middle);
      const figures = [...middle.map((cost) => cost.toFixed(1)), spread.toFixed(2), besideBaseline.toFixed(2)];
      rows.push([`${load.name}, ${server.name}`, ...figures]);
    }
  }
  const compared = `at ${COMPARED} ÷ baseline at ${COMPARED}`;
  const head = ['CPU a request, µs, after', ...states.map(String), 'worst ÷ median', compared];
  return table(head, rows);
}

function choose<Named extends { readonly name: string }>(
  what: string,
  all: readonly Named[],
  names?: readonly string[],
): readonly Named[] {
  const unknown = names?.find((name) => !all.some((one) => one.name === name));
  if (unknown) throw new Error(`Unknown ${what} ${unknown}: choose from ${all.map(({ name }) => name).join(', ')}`);
  return all.filter(({ name }) => names?.includes(name) ?? true);
}

/** Measures all states of a server and the baseline, which take turns. */
async function costs(server: Contestant, baseline: Contestant, load: Load, states: readonly number[], what: string) {
  const request = requestBytes(load);
  const starts = [...states.map((count) => ({ ...server, count })), { ...baseline, count: COMPARED }];
  const processes: ServerProcess[] = [];
  try {
    for (const { start, count } of starts) processes.push(await startInState(start, request, count));
    const [...byState] = await cpuPerRequest(
      processes.map(({ port }) => ({ port, requests: [request] })),
      { rounds: ROUNDS, what, cpuOf: (index) => ask(processes[index]!, 'cpu') },
    );
    const ofBaseline = byState.pop()!;
    return { byState, ofBaseline };
  } finally {
    await Promise.all(processes.map(({ stop }) => stop()));
  }
}

async function startInState(start: Contestant['start'], request: string, count: number): Promise<ServerProcess> {
  const environment = { NODE_OPTIONS: `--import=${new URL('measured.js', import.meta.url).href}` };
  const process = await start({ environment, withMessages: true });
  for (let sent = 0; sent < count; sent++) await responseTo(process.port, request);
  await ask(process, 'collect');
  return process;
}

async function ask({ process }: ServerProcess, question: 'collect' | 'cpu'): Promise<NodeJS.CpuUsage> {
  process.send(question);
  const limit = { signal: AbortSignal.timeout(COLLECTION_TIMEOUT_MS) };
  const [usage] = (await once(process, 'message', limit)) as [NodeJS.CpuUsage];
  return usage;
}
