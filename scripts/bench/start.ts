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
  const limit = [...process.execArgv, new URL('limit.ts', import.meta.url).pathname, JSON.stringify(ORIGINS), headerLines];
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    showProgress(`round ${round} of ${ROUNDS}`);
    const mine = await timeToFirstAnswer(startMain);
    const theirs = await timeToFirstAnswer(() => startServer(process.execPath, limit));
    if (round === 0) continue;
    times[0].push(mine);
    times[1].push(theirs);
  }
  showProgress('');
  const [mine, theirs] = [median(times[0]), median(times[1])];
  const note = process.execArgv.includes('tsx') ? '\n\nBoth through tsx, which takes most of this time.' : '';
  return `${table(['', 'this server', 'the limit', 'ratio'], [['first answer after, ms', mine.toFixed(1), theirs.toFixed(1), (mine / theirs).toFixed(3)]])}${note}`;
}

async function timeToFirstAnswer(start: () => Promise<ServerProcess>): Promise<number> {
  const startedAt = performance.now();
  const { port, stop } = await start();
  const [answer] = (await once(get({ port, host: '127.0.0.1', agent: false, headers: { Origin: ORIGIN } }), 'response')) as [IncomingMessage];
  const time = performance.now() - startedAt;
  answer.resume();
  await stop();
  if (answer.statusCode !== 200) throw new Error(`GET / was answered with ${answer.statusCode}`);
  return time;
}
