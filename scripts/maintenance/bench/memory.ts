import { ourHeaderLines } from './against-baseline.ts';
import { BlockClient } from './blocks.ts';
import { LOADS, ORIGINS, requestBytes } from './loads.ts';
import { startMain } from './our-server.ts';
import { showProgress } from './progress.ts';
import { table } from './report.ts';
import { type ServerProcess, peakMemory, startServer } from './server-process.ts';
import { median } from './statistics.ts';

const ROUNDS = 7;
const REQUESTS = 60_000;

/** Compares the peak memory of this server and of the baseline, each in its own process under the same mixed load. */
export async function memory(): Promise<string> {
  const server = await startMain();
  const parameters = [JSON.stringify(ORIGINS), JSON.stringify(await ourHeaderLines(server.port))];
  await server.stop();
  const program = new URL('baseline.ts', import.meta.url).pathname;
  const baseline = () => startServer(process.execPath, [...process.execArgv, program, ...parameters]);

  const peaks: [number[], number[]] = [[], []];
  for (let round = 1; round <= ROUNDS; round++) {
    showProgress(`round ${round} of ${ROUNDS}`);
    peaks[0].push(await peakUnderLoad(() => startMain()));
    peaks[1].push(await peakUnderLoad(baseline));
  }
  showProgress('');
  const [mine, theirs] = [median(peaks[0]), median(peaks[1])];
  const row = ['peak memory, MB', mine.toFixed(1), theirs.toFixed(1), (mine / theirs).toFixed(3)];
  return table(['', 'this server', 'baseline', 'ratio'], [row]);
}

async function peakUnderLoad(start: () => Promise<ServerProcess>): Promise<number> {
  const { id, port, stop } = await start();
  const client = await BlockClient.connect([{ port, requests: LOADS.map((load) => requestBytes(load)) }]);
  await client.send(0, REQUESTS);
  const peak = peakMemory(id);
  await client.stop();
  await stop();
  return peak;
}
