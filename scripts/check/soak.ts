import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createServer } from '../../src/http/index.ts';
import { routes } from '../../src/routes.ts';
import { assertSound, wholeAnswer } from '../../test/http/answers.ts';
import { Connection, requestBytes } from '../../test/http/connection.ts';

// node --import tsx scripts/soak.ts: does the memory of a server grow with the requests that it has answered?

const REQUESTS = 200_000;
const WARM_UP = 20_000;
/** How much more the heap may hold at the end than after the warm-up, or whenever it held least. */
const TOLERANCE = 0.1;
const CLIENTS = 32;
/** For all of it, in milliseconds. */
const DEADLINE = 5 * 60_000;

const ORIGIN = 'https://app.example.com';

interface Load {
  readonly bytes: string;
  /** Undefined: the client leaves in the middle of its upload. */
  readonly status?: number;
  readonly grant?: string;
}

const JSON_TYPE = 'Content-Type: application/json';
const LOADS: readonly Load[] = [
  { bytes: requestBytes('GET /', [`Origin: ${ORIGIN}`]), status: 200, grant: ORIGIN },
  { bytes: requestBytes('POST /', [JSON_TYPE, 'Content-Length: 1002'], `"${'a'.repeat(1_000)}"`), status: 200 },
  { bytes: requestBytes('OPTIONS /', [`Origin: ${ORIGIN}`, 'Access-Control-Request-Method: POST']), status: 204, grant: ORIGIN },
  { bytes: requestBytes('GET /', ['Origin: https://evil.example']), status: 403 },
  { bytes: requestBytes('POST /', [JSON_TYPE, 'Content-Length: 8'], '{"a":1]]'), status: 400 },
  { bytes: requestBytes('POST /', [JSON_TYPE, 'Content-Length: 100000'], 'a'.repeat(20_000)) },
];

if (process.argv[2] === 'server') {
  await serve();
} else {
  setTimeout(() => fail(`This takes longer than ${DEADLINE / 1000} seconds`), DEADLINE).unref();
  await soak();
}

/** In a process of its own, so that the clients' memory is not the server's. */
async function serve(): Promise<void> {
  const server = createServer(routes, { cors: { origins: [ORIGIN] } });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  process.on('disconnect', () => process.exit());
  process.on('message', async () => {
    const sockets = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    while ((await sockets()) > 0) await sleep(10);
    // Until there is no more to free: what one collection finalises, only the next can free.
    for (let before = Infinity, heap = 0; ; before = heap) {
      globalThis.gc!();
      await sleep(50);
      heap = process.memoryUsage().heapUsed;
      if (heap > before * 0.995) return process.send!(heap);
    }
  });
  process.send!((server.address() as AddressInfo).port);
}

async function soak(): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['server'], { execArgv: [...process.execArgv, '--expose-gc'] });
  child.once('exit', (code) => fail(`The server has exited with ${code}`));
  const [port] = await once(child, 'message');
  const startedAt = Date.now();
  // The first figure may still hold what only the start needed (5 MB on Node 26); a leak must not hide in that.
  let least = Infinity;
  for (let done = WARM_UP; done <= REQUESTS; done += WARM_UP) {
    await load(port, WARM_UP);
    const heap = await heapOf(child);
    least = Math.min(least, heap);
    console.log(`${done.toLocaleString('en')} requests: ${(heap / 1024).toFixed(0)} KiB, ${percent(heap / least - 1)}`);
    if (done === REQUESTS) {
      console.log(`${Math.round(REQUESTS / ((Date.now() - startedAt) / 1000)).toLocaleString('en')} requests a second`);
      if (heap > least * (1 + TOLERANCE)) fail(`The heap has grown by more than ${percent(TOLERANCE)}`);
    }
  }
  child.removeAllListeners('exit').disconnect();
}

async function heapOf(child: ChildProcess): Promise<number> {
  child.send('heap');
  const [heap] = await once(child, 'message');
  return heap;
}

/** Sends so many requests, a fair share of each kind, from clients that keep their connection for as long as they can. */
async function load(port: number, count: number): Promise<void> {
  let next = 0;
  const client = async () => {
    let connection: Connection | undefined;
    for (let number = next++; number < count; number = next++) {
      const { bytes, status, grant = null } = LOADS[number % LOADS.length]!;
      if (!connection || connection.socket.destroyed) connection = await Connection.open({ after() {} }, port);
      connection.received = '';
      connection.send(bytes);
      if (status === undefined) {
        connection.socket.destroySoon();
        await connection.closed;
        continue;
      }
      const answer = await wholeAnswer(connection);
      assert.equal(answer?.status, status, connection.received);
      assertSound(answer!, grant);
    }
    connection?.socket.destroy();
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

function percent(share: number): string {
  return `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)} %`;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
