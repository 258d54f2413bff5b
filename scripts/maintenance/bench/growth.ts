import { writeFileSync } from 'node:fs';
import type { Contestant } from './block-client.ts';
import { cpuPerRequest } from './blocks.ts';
import { type Series, growthPicture } from './growth-picture.ts';
import { LOADS, requestBytes } from './loads.ts';
import { EchoHandler, listen, ourServer } from './our-server.ts';
import { circumstances, table } from './report.ts';

const ROUNDS = 40;
/** Requests go to at most this many of the routes or origins, spread evenly. */
const SPREAD = 500;

interface Growing {
  readonly what: string;
  readonly sizes: readonly number[];
  contestant(size: number): Promise<Contestant>;
}

const [GET] = LOADS as [typeof LOADS[0]];

const GROWING: readonly Growing[] = [
  {
    what: 'routes',
    sizes: [10, 100, 1_000, 10_000],
    contestant: (size) => withRoutes(size, (name) => `/${name}`, (name) => `/${name}`),
  },
  {
    what: 'routes with a parameter',
    sizes: [10, 100, 1_000, 10_000],
    contestant: (size) => withRoutes(size, (name) => `/${name}/:id`, (name) => `/${name}/17`),
  },
  {
    what: 'allowed origins',
    sizes: [1, 100, 1_000, 10_000],
    async contestant(size) {
      const origins = names(size).map((name) => `https://${name}.example.com` as const);
      const requests = spread(origins).map((Origin) => requestBytes({ ...GET, headers: { Origin } }));
      return { port: await listenWith({ cors: { origins, credentials: true } }), requests };
    },
  },
  {
    what: 'idle connections',
    sizes: [0, 10, 100, 1_000],
    contestant: async (idleConnections) => ({
      port: await listenWith(),
      requests: [requestBytes(GET)],
      idleConnections,
    }),
  },
];

/** Measures how the cost of a request grows with routes, origins and idle connections. */
export async function growth(picture: string | undefined): Promise<string> {
  const all: Series[] = [];
  for (const { what, sizes, contestant } of GROWING) {
    const contestants = await Promise.all(sizes.map((size) => contestant.call(undefined, size)));
    all.push({ what, sizes, costs: await cpuPerRequest(contestants, { rounds: ROUNDS, what: `${what}, ` }) });
  }
  if (picture) writeFileSync(picture, growthPicture(all, circumstances()));
  const rows = all.flatMap(({ what, sizes, costs }) =>
    sizes.map((size, index) => {
      const cost = costs[index]!;
      return [`${size.toLocaleString('en')} ${what}`, cost.toFixed(1), (cost / costs[0]!).toFixed(3)];
    }),
  );
  return table(['', 'CPU a request, µs', 'relative to the smallest'], rows);
}

async function withRoutes(
  size: number,
  pattern: (name: string) => `/${string}`,
  path: (name: string) => string,
): Promise<Contestant> {
  const routes = Object.fromEntries(names(size).map((name) => [pattern(name), EchoHandler]));
  const requests = spread(names(size)).map((name) => requestBytes(GET, path(name)));
  return { port: await listenWith({ routes }), requests };
}

async function listenWith(options?: Parameters<typeof ourServer>[0]): Promise<number> {
  const server = ourServer(options);
  // Keep idle connections open.
  server.keepAliveTimeout = 3_600_000;
  return listen(server);
}

/** Returns names of the same length, so that only their number differs. */
function names(size: number): string[] {
  return Array.from({ length: size }, (_, index) => `resource-${String(index).padStart(5, '0')}`);
}

function spread<Item>(items: readonly Item[]): Item[] {
  const count = Math.min(items.length, SPREAD);
  return Array.from({ length: count }, (_, index) => items[Math.floor((index * items.length) / count)]!);
}
