import { answerTo } from './answer.ts';
import { cpuPerRequest } from './blocks.ts';
import { type HeaderLines, limitServer } from './limit.ts';
import { LOADS, ORIGINS, requestBytes } from './loads.ts';
import { listen, ourServer } from './our-server.ts';
import { table } from './report.ts';

const ROUNDS = 60;

/** This server beside the limit; and the limit beside itself, which shows how much of a difference is noise. */
export async function againstLimit(): Promise<string> {
  const ours = await listen(ourServer());
  const lines = await ourHeaderLines(ours);
  const limit = await listen(limitServer(ORIGINS, lines));
  const limitAgain = await listen(limitServer(ORIGINS, lines));

  const rows = [];
  for (const load of LOADS) {
    const requests = [requestBytes(load)];
    await expectSameAnswer(ours, limit, requests[0]!);
    const servers = [ours, limit, limitAgain].map((port) => ({ port, requests }));
    const [mine, theirs, again] = await cpuPerRequest(servers, { rounds: ROUNDS });
    const ratios = [mine! / theirs!, again! / theirs!].map((ratio) => ratio.toFixed(3));
    rows.push([load.name, mine!.toFixed(1), theirs!.toFixed(1), ...ratios]);
  }
  return table(['CPU time a request', 'this server, µs', 'the limit, µs', 'ratio', 'the limit against itself'], rows);
}

/** The header lines that this server answered each load with, less those that node adds by itself. */
export async function ourHeaderLines(port: number): Promise<HeaderLines> {
  const lines: Record<string, string[]> = {};
  for (const load of LOADS) {
    const answer = await answerTo(port, requestBytes(load));
    const [head = ''] = answer.split('\r\n\r\n');
    lines[load.method] = head
      .split('\r\n')
      .slice(1)
      .filter((line) => !/^(date|connection|keep-alive):/i.test(line))
      .flatMap((line) => line.split(/: (.*)/, 2));
  }
  return lines;
}

async function expectSameAnswer(ours: number, limit: number, request: string): Promise<void> {
  const answers = [ours, limit].map(async (port) => (await answerTo(port, request)).replace(/\r\nDate: .*/, ''));
  const [mine, theirs] = await Promise.all(answers);
  if (mine !== theirs) {
    throw new Error(`The limit must answer byte for byte what this server answers:\n${mine}\n\n${theirs}`);
  }
}
