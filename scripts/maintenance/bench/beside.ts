import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cpuPerRequest } from './blocks.ts';
import { LOADS, requestBytes } from './loads.ts';
import { type Engine, echoHandler, listen, ourServer } from './our-server.ts';
import { table } from './report.ts';

const ROUNDS = 60;

/**
 * Compares this checkout with another in one process. There are two servers of each, so that V8 treats both checkouts
 * alike, and so that each can be compared with itself to measure noise.
 */
export async function besideOther(directory: string): Promise<string> {
  const file = resolve(directory, 'src/http/index.ts');
  const other = (await import(pathToFileURL(file).href)) as Engine;
  const routes = { '/': echoHandler(other) };
  const servers = [ourServer(), ourServer({ routes }, other), ourServer(), ourServer({ routes }, other)];
  const ports = await Promise.all(servers.map(listen));

  const rows = [];
  for (const load of LOADS) {
    const requests = [requestBytes(load)];
    const contestants = ports.map((port) => ({ port, requests }));
    const costs = (await cpuPerRequest(contestants, { rounds: ROUNDS })) as [number, number, number, number];
    const [mine, theirs, mineAgain, theirsAgain] = costs;
    const [here, there] = [(mine + mineAgain) / 2, (theirs + theirsAgain) / 2];
    const ratios = [here / there, mine / mineAgain, theirs / theirsAgain];
    rows.push([load.name, here.toFixed(1), there.toFixed(1), ...ratios.map((ratio) => ratio.toFixed(3))]);
  }
  const head = ['CPU time a request', 'here, µs', 'there, µs', 'here ÷ there', 'here ÷ itself', 'there ÷ itself'];
  return table(head, rows);
}
