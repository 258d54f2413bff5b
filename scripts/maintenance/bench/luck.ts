import { once } from 'node:events';
import { answerTo } from './answer.ts';
import { cpuPerRequest } from './blocks.ts';
import { type Contestant, contestants } from './contestants.ts';
import { LOADS, type Load, requestBytes } from './loads.ts';
import { table } from './report.ts';
import type { ServerProcess } from './server-process.ts';
import { median } from './statistics.ts';

const MOST_REQUESTS = 12;
/** The state that servers are compared in: started, and asked by someone whether it runs. */
const COMPARED = 3;
const ROUNDS = 12;
/** How long a process may take to collect its garbage, in milliseconds. */
const PATIENCE = 10_000;

interface Choice {
  /** Names of loads and of servers; left out: all. */
  readonly loads?: readonly string[] | undefined;
  readonly servers?: readonly string[] | undefined;
  /** How many processes are started for each state: V8 makes more of the same code in one than in the next. */
  readonly processes: number;
}

/**
 * What a request costs after 0, 1, 2, … single requests and then a full garbage collection, each in processes of their
 * own. Where V8 collects before it has seen enough objects of a class, it takes their shape to be another one, for
 * good.
 */
export async function luck(choice: Choice): Promise<string> {
  const all = (await contestants()).filter(({ name }) => name !== 'Python');
  const limit = all.find(({ name }) => name === 'the limit')!;
  const loads = choose('load', LOADS, choice.loads);
  const servers = choose('server', all, choice.servers);
  const states = Array.from({ length: MOST_REQUESTS + 1 }, (_, count) => count);
  const rows = [];
  for (const load of loads) {
    for (const server of servers) {
      const runs: Awaited<ReturnType<typeof costs>>[] = [];
      for (let run = 1; run <= choice.processes; run++) {
        const what = `${load.name}, ${server.name}, ${run} of ${choice.processes}: `;
        runs.push(await costs(server, limit, load, states, what));
      }
      const middle = states.map((count) => median(runs.map(({ byState }) => byState[count]!)));
      const besideLimit = median(runs.map(({ byState, ofLimit }) => byState[COMPARED]! / ofLimit));
      const spread = Math.max(...middle) / median(middle);
      const figures = [...middle.map((cost) => cost.toFixed(1)), spread.toFixed(2), besideLimit.toFixed(2)];
      rows.push([`${load.name}, ${server.name}`, ...figures]);
    }
  }
  const compared = `at ${COMPARED} ÷ the limit at ${COMPARED}`;
  const head = ['CPU a request, µs, after', ...states.map(String), 'worst ÷ median', compared];
  return table(head, rows);
}

function choose<Named extends { readonly name: string }>(
  what: string,
  all: readonly Named[],
  names?: readonly string[],
): readonly Named[] {
  const unknown = names?.find((name) => !all.some((one) => one.name === name));
  if (unknown) throw new Error(`There is no ${what} ${unknown}: choose of ${all.map(({ name }) => name).join(', ')}`);
  return all.filter(({ name }) => names?.includes(name) ?? true);
}

/** All states of a server, and beside them the limit, under load in turn. */
async function costs(server: Contestant, limit: Contestant, load: Load, states: readonly number[], what: string) {
  const request = requestBytes(load);
  const starts = [...states.map((count) => ({ ...server, count })), { ...limit, count: COMPARED }];
  const processes: ServerProcess[] = [];
  try {
    for (const { start, count } of starts) processes.push(await startInState(start, request, count));
    const [...byState] = await cpuPerRequest(
      processes.map(({ port }) => ({ port, requests: [request] })),
      { rounds: ROUNDS, what, cpuOf: (index) => ask(processes[index]!, 'cpu') },
    );
    const ofLimit = byState.pop()!;
    return { byState, ofLimit };
  } finally {
    await Promise.all(processes.map(({ stop }) => stop()));
  }
}

async function startInState(start: Contestant['start'], request: string, count: number): Promise<ServerProcess> {
  const environment = { NODE_OPTIONS: `--import=${new URL('obey.js', import.meta.url).href}` };
  const process = await start({ environment, withMessages: true });
  for (let sent = 0; sent < count; sent++) await answerTo(process.port, request);
  await ask(process, 'collect');
  return process;
}

async function ask({ process }: ServerProcess, question: 'collect' | 'cpu'): Promise<NodeJS.CpuUsage> {
  process.send(question);
  const [answer] = (await once(process, 'message', { signal: AbortSignal.timeout(PATIENCE) })) as [NodeJS.CpuUsage];
  return answer;
}
