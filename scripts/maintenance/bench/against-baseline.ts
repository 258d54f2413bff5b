import { type HeaderLines, baselineServer } from './baseline.ts';
import { cpuPerRequest } from './blocks.ts';
import { LOADS, ORIGINS, requestBytes } from './loads.ts';
import { listen, ourServer } from './our-server.ts';
import { table } from './report.ts';
import { responseTo } from './response.ts';

const ROUNDS = 60;

/** Compares this server with the baseline, and the baseline with itself to measure noise. */
export async function againstBaseline(): Promise<string> {
  const ours = await listen(ourServer());
  const lines = await ourHeaderLines(ours);
  const baseline = await listen(baselineServer(ORIGINS, lines));
  const baselineAgain = await listen(baselineServer(ORIGINS, lines));

  const rows = [];
  for (const load of LOADS) {
    const requests = [requestBytes(load)];
    await expectSameResponse(ours, baseline, requests[0]!);
    const servers = [ours, baseline, baselineAgain].map((port) => ({ port, requests }));
    const [mine, theirs, again] = await cpuPerRequest(servers, { rounds: ROUNDS });
    const ratios = [mine! / theirs!, again! / theirs!].map((ratio) => ratio.toFixed(3));
    rows.push([load.name, mine!.toFixed(1), theirs!.toFixed(1), ...ratios]);
  }
  const head = ['CPU time a request', 'this server, µs', 'baseline, µs', 'ratio', 'baseline against itself'];
  return table(head, rows);
}

/** Returns the response headers of this server for each load, without those that node adds. */
export async function ourHeaderLines(port: number): Promise<HeaderLines> {
  const lines: Record<string, string[]> = {};
  for (const load of LOADS) {
    const response = await responseTo(port, requestBytes(load));
    const [head = ''] = response.split('\r\n\r\n');
    lines[load.method] = head
      .split('\r\n')
      .slice(1)
      .filter((line) => !/^(date|connection|keep-alive):/i.test(line))
      .flatMap((line) => line.split(/: (.*)/, 2));
  }
  return lines;
}

async function expectSameResponse(ours: number, baseline: number, request: string): Promise<void> {
  const ports = [ours, baseline];
  const responses = ports.map(async (port) => (await responseTo(port, request)).replace(/\r\nDate: .*/, ''));
  const [mine, theirs] = await Promise.all(responses);
  if (mine !== theirs) {
    throw new Error(`The baseline must send the same bytes as this server:\n${mine}\n\n${theirs}`);
  }
}
