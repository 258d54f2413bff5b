import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { ourHeaderLines } from './against-limit.ts';
import { ORIGIN, ORIGINS } from './loads.ts';
import { startMain } from './our-server.ts';
import { showProgress } from './progress.ts';
import { table } from './report.ts';
import { type ServerProcess, startServer } from './server-process.ts';
import { median } from './statistics.ts';

const ROUNDS = 30;

/** From the start of `node src/main.ts` to its first answer, beside the limit as a file of its own. */
export async function start(): Promise<string> {
  const server = await startMain();
  const headerLines = JSON.stringify(await ourHeaderLines(server.port));
  await server.stop();
  const program = new URL('limit.ts', import.meta.url).pathname;
  const limit = [...process.execArgv, program, JSON.stringify(ORIGINS), headerLines];
  const starts = [
    () => startMain({ environment: { NODE_DISABLE_COMPILE_CACHE: '1' } }),
    () => startMain(),
    () => startServer(process.execPath, limit),
  ];
  const times: number[][] = starts.map(() => []);
  for (let round = 0; round <= ROUNDS; round++) {
    showProgress(`round ${round} of ${ROUNDS}`);
    for (const [index, start] of starts.entries()) {
      const time = await timeToFirstAnswer(start);
      if (round > 0) times[index]!.push(time);
    }
  }
  showProgress('');
  const [first, later, theirs] = times.map(median) as [number, number, number];
  const note = process.execArgv.includes('tsx') ? '\n\nAll through tsx, which takes most of this time.' : '';
  const row = (what: string, time: number) => [what, time.toFixed(1), theirs.toFixed(1), (time / theirs).toFixed(3)];
  const rows = [row('a first start', first), row('a later one, with what an earlier one compiled', later)];
  return `${table(['first answer after, ms', 'this server', 'the limit', 'ratio'], rows)}${note}`;
}

async function timeToFirstAnswer(start: () => Promise<ServerProcess>): Promise<number> {
  const startedAt = performance.now();
  const { port, stop } = await start();
  const request = get({ port, host: '127.0.0.1', agent: false, headers: { Origin: ORIGIN } });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  const time = performance.now() - startedAt;
  answer.resume();
  await stop();
  if (answer.statusCode !== 200) throw new Error(`GET / was answered with ${answer.statusCode}`);
  return time;
}
