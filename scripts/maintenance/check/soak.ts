import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RequestHandler, createServer } from '../../../src/http/index.ts';

// Checks that the memory of a server does not grow with the number of requests.

const REQUESTS = 200_000;
const WARM_UP = 20_000;
/** The heap may grow by this share from its smallest size after a warm-up. */
const TOLERANCE = 0.1;
const CLIENTS = 32;
/** For the whole check. */
const LIMIT_MS = 5 * 60_000;

const ORIGIN = 'https://app.example.com';

class Echo extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return this.readJson();
  }
}

interface Load {
  readonly method: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: string;
  /** Undefined if the client disconnects during its upload. */
  readonly status?: number;
}

const json = { 'Content-Type': 'application/json' };
const LOADS: readonly Load[] = [
  { method: 'GET', headers: { Origin: ORIGIN }, status: 200 },
  { method: 'POST', headers: json, body: `"${'a'.repeat(1_000)}"`, status: 200 },
  { method: 'OPTIONS', headers: { Origin: ORIGIN, 'Access-Control-Request-Method': 'POST' }, status: 204 },
  { method: 'GET', headers: { Origin: 'https://evil.example' }, status: 403 },
  { method: 'POST', headers: json, body: '{"a":1]]', status: 400 },
  { method: 'POST', headers: { ...json, 'Content-Length': 100_000 }, body: 'a'.repeat(20_000) },
];

if (process.argv[2] === 'server') {
  await serve();
} else {
  setTimeout(() => fail(`This takes longer than ${LIMIT_MS / 1000} seconds`), LIMIT_MS).unref();
  await soak();
}

/** Serves in its own process, so that the memory of the clients does not count. */
async function serve(): Promise<void> {
  const server = createServer({ '/': Echo }, { cors: { origins: [ORIGIN] } });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  process.on('disconnect', () => process.exit());
  process.on('message', async () => {
    const sockets = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    while ((await sockets()) > 0) await sleep(10);
    // Collect repeatedly, because finalized objects are freed only by the next collection.
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
  // The first value may include memory that only the start needed and that would hide a leak.
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

/** Sends this many requests, the same number of each kind, over keep-alive connections. */
async function load(port: number, count: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  let next = 0;
  const client = async () => {
    for (let number = next++; number < count; number = next++) await ask(agent, port, LOADS[number % LOADS.length]!);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  agent.destroy();
}

async function ask(agent: Agent, port: number, { method, headers, body, status }: Load): Promise<void> {
  const request = httpRequest({ agent, port, host: '127.0.0.1', method, headers });
  if (status === undefined) {
    const closed = new Promise<void>((resolve) => request.on('error', () => {}).once('close', resolve));
    await new Promise((sent) => request.write(body, sent));
    request.destroy();
    await closed;
    return;
  }
  const [response] = (await once(request.end(body), 'response')) as [IncomingMessage];
  await text(response);
  assert.equal(response.statusCode, status);
  const isAllowed = status < 400 && 'Origin' in headers;
  assert.equal(response.headers['access-control-allow-origin'], isAllowed ? ORIGIN : undefined);
}

function percent(share: number): string {
  return `${share < 0 ? '' : '+'}${(share * 100).toFixed(1)} %`;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
