// node one-state.ts 'this server' GET 3 '{"GET":[…],…}': prints the CPU time of a request, in microseconds, after three
// requests and a full garbage collection. The requests arrive without sockets, whose cost varies more than the rest.
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type HeaderLines, baselineServer } from './baseline.ts';
import { LOADS, ORIGINS, requestBytes } from './loads.ts';
import { ourServer } from './our-server.ts';
import { quantile } from './statistics.ts';

const BLOCKS = 12;
const REQUESTS_PER_BLOCK = 2_000;
/** The time after which nothing refers to earlier requests. */
const SETTLED_AFTER_MS = 50;

const [name, loadName, count, headerLines] = process.argv.slice(2) as [string, string, string, string];
const bytes = Buffer.from(requestBytes(LOADS.find((load) => load.name === loadName)!));
const server = name === 'baseline' ? baselineServer(ORIGINS, JSON.parse(headerLines) as HeaderLines) : ourServer();
let onResponse = () => {};
const connection = new Duplex({
  read() {},
  write: (_chunk, _encoding, done) => (done(), onResponse()),
  writev: (_chunks, done) => (done(), onResponse()),
});
server.emit('connection', Object.assign(connection, { setTimeout: () => connection }));

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
await send(Number(count));
await sleep(SETTLED_AFTER_MS);
collect();
const costs: number[] = [];
for (let block = 0; block < BLOCKS; block++) {
  const before = process.cpuUsage();
  await send(REQUESTS_PER_BLOCK);
  const { user, system } = process.cpuUsage(before);
  costs.push((user + system) / REQUESTS_PER_BLOCK);
}
// The lower quartile excludes disturbed blocks.
console.log(quantile(costs, 0.25));
process.exit();

/** Sends requests one after another, and resolves once each has got its response. */
function send(requests: number): Promise<void> {
  return new Promise((resolve) => {
    let left = requests;
    onResponse = () => {
      if (left-- === 0) resolve();
      else setImmediate(() => connection.push(bytes));
    };
    onResponse();
  });
}
