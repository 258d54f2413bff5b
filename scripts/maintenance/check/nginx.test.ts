import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type https from 'node:https';
import { type AddressInfo, type Server, createServer as createTcpServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestHandler, createServer } from '../../../src/http/index.ts';
import {
  type ReceivedResponse, type Message, NAME, Nginx, STEP_LIMIT_MS, sendDirectly, bareSite, limitedSite, shippedSite,
} from './nginx-process.ts';
import { Servers } from './shared-socket.ts';

// scripts/deploy/nginx.conf with real nginx, most of the time in front of two servers on one socket.

const CLIENTS = 16;
const RESTARTS = 3;
const KILLS = 10;

const PAGE = 'https://app.example.com';
const ENVIRONMENT = {
  ALLOWED_HOSTS: NAME,
  CORS_ORIGINS: PAGE,
  CORS_CREDENTIALS: 'true',
  CORS_EXPOSED_HEADERS: 'location',
};

const skip = process.env['CI'] !== 'true' && missing();

/** Returns what to install, or false if nothing is missing. */
function missing(): string | false {
  const path = `${process.env['PATH']}:/usr/sbin`;
  for (const tool of ['nginx', 'openssl']) {
    try {
      execFileSync('sh', ['-c', `command -v ${tool}`], { env: { PATH: path } });
    } catch {
      return `${tool} is missing: apt-get install nginx openssl`;
    }
  }
  return false;
}

const JSON_TYPE = { 'content-type': 'application/json' };
const GET: Message = { method: 'GET', headers: { origin: PAGE } };
const POST: Message = { method: 'POST', headers: { origin: PAGE, ...JSON_TYPE }, body: '{"a":1}' };
const PREFLIGHT: Message = {
  method: 'OPTIONS',
  headers: {
    origin: PAGE,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type',
  },
};

/** Clients, each with a connection of its own, that send the same messages again and again. */
class Clients {
  completed = 0;
  /** Responses that differ from those without nginx. */
  readonly lost: string[] = [];
  readonly #turns: Promise<void>[];
  #isOver = false;

  constructor(t: TestContext, nginx: Nginx, expected: ReadonlyMap<Message, ReceivedResponse>) {
    this.#turns = Array.from({ length: CLIENTS }, () => this.#run(nginx, nginx.agent(t), expected));
    t.after(() => this.end());
  }

  /** Resolves once all clients together have received ten more responses for each of them. */
  async serveOn(): Promise<void> {
    const enough = this.completed + 10 * CLIENTS;
    const limit = Date.now() + STEP_LIMIT_MS;
    while (this.completed < enough) {
      assert.ok(Date.now() < limit, `${CLIENTS} clients did not get 10 responses each within ${STEP_LIMIT_MS} ms`);
      await sleep(1);
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#turns);
  }

  async #run(nginx: Nginx, agent: https.Agent, expected: ReadonlyMap<Message, ReceivedResponse>): Promise<void> {
    while (!this.#isOver) {
      for (const [message, response] of expected) {
        try {
          assert.deepEqual(await nginx.send(agent, message), response);
          this.completed++;
        } catch (error) {
          this.lost.push(`${message.method}: ${error}`);
        }
      }
    }
  }
}

async function expectedOf({ port }: Servers, ...messages: Message[]): Promise<Map<Message, ReceivedResponse>> {
  const expected = new Map<Message, ReceivedResponse>();
  for (const message of messages) expected.set(message, await sendDirectly(port, message));
  return expected;
}

/** Resolves with the port of a listening server. */
async function portOf(t: TestContext, server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const tooLarge = Buffer.alloc(2_000_000, ' ');
const declared = { ...POST.headers, 'content-length': String(tooLarge.length) };
const chunked = { ...POST.headers, 'transfer-encoding': 'chunked' };
const PASSED: [title: string, message: Message, status: number][] = [
  ['the response to a GET', GET, 200],
  ['the response to a POST', POST, 200],
  ['the response to a preflight', PREFLIGHT, 204],
  ['a 404 of the server', { method: 'GET', path: '/none', headers: { origin: PAGE } }, 404],
  ['the 403 to a denied origin', { method: 'GET', headers: { origin: 'https://other.example' } }, 403],
  ['the 413 to a declared 2 MB', { ...POST, headers: declared, body: tooLarge }, 413],
  ['the 413 to chunked 2 MB', { ...POST, headers: chunked, body: tooLarge }, 413],
];
test('passes through each response with its CORS headers', { skip }, async (t) => {
  const servers = await Servers.open(t, ENVIRONMENT);
  await servers.start('a');
  const nginx = await Nginx.start(t, servers.port);
  const agent = nginx.agent(t);
  for (const [title, message, status] of PASSED) {
    await t.test(`passes through ${title}`, async () => {
      const response = await nginx.send(agent, message);
      assert.equal(response.status, status);
      assert.deepEqual(response, await sendDirectly(servers.port, message));
      const allowed = response.cors.filter((line) => /^Access-Control-Allow-Origin:/i.test(line));
      assert.deepEqual(allowed, status === 403 ? [] : [`Access-Control-Allow-Origin: ${PAGE}`]);
    });
  }
});

test('lets a page of the API itself POST, on a port other than 443 too', { skip }, async (t) => {
  const servers = await Servers.open(t, ENVIRONMENT);
  await servers.start('a');
  const nginx = await Nginx.start(t, servers.port);
  const own = { ...POST, headers: { ...POST.headers, origin: `https://${NAME}:${nginx.port}` } };
  assert.equal((await nginx.send(nginx.agent(t), own)).status, 200);
});

/** A page can read it. */
function assertReadable(response: ReceivedResponse, status: number, title: string): void {
  assert.deepEqual(response, {
    status,
    cors: [`Access-Control-Allow-Origin: ${PAGE}`, 'Access-Control-Allow-Credentials: true', 'Vary: Origin'],
    body: JSON.stringify({ title, status }),
  });
}

test('lets a page read the 502 of nginx when a server closes the connection', { skip }, async (t) => {
  const port = await portOf(t, createTcpServer((socket) => socket.destroy()));
  const nginx = await Nginx.start(t, port);
  assertReadable(await nginx.send(nginx.agent(t), POST), 502, 'Bad Gateway');
});

test('responds 204 to a preflight when no server does', { skip }, async (t) => {
  const port = await portOf(t, createTcpServer((socket) => socket.destroy()));
  const nginx = await Nginx.start(t, port);
  const { status, cors } = await nginx.send(nginx.agent(t), PREFLIGHT);
  assert.equal(status, 204);
  assert.deepEqual(cors, [
    `Access-Control-Allow-Origin: ${PAGE}`,
    'Access-Control-Allow-Credentials: true',
    'Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE',
    'Access-Control-Allow-Headers: authorization,content-type,x-api-key',
    'Access-Control-Max-Age: 0',
    'Vary: Origin',
  ]);
});

test('lets a page read the 504 of nginx when no server responds', { skip }, async (t) => {
  const servers = await Servers.open(t);
  const nginx = await Nginx.start(t, servers.port, shippedSite([/^ *proxy_pass /m, 'proxy_read_timeout 1s;\n$&']));
  assertReadable(await nginx.send(nginx.agent(t), POST), 504, 'Gateway Timeout');
});

test('lets a page read the 413 of nginx if that has a limit of its own', { skip }, async (t) => {
  const servers = await Servers.open(t, ENVIRONMENT);
  await servers.start('a');
  const nginx = await Nginx.start(t, servers.port, shippedSite([/(?<=client_max_body_size) 0/, ' 1k']));
  const message = { ...POST, body: JSON.stringify('a'.repeat(2_000)) };
  assertReadable(await nginx.send(nginx.agent(t), message), 413, 'Content Too Large');
});

test('does not let a page of another origin read the errors of nginx', { skip }, async (t) => {
  const port = await portOf(t, createTcpServer((socket) => socket.destroy()));
  const nginx = await Nginx.start(t, port);
  const message = { method: 'GET', headers: { origin: 'https://x.example' } };
  const { status, cors } = await nginx.send(nginx.agent(t), message);
  assert.equal(status, 502);
  assert.deepEqual(cors.filter((line) => line.includes('Allow-Origin')), []);
});

test('limits the rate of requests with a 429 that a page can read', { skip }, async (t) => {
  const servers = await Servers.open(t, ENVIRONMENT);
  await servers.start('a');
  // So slow that no further request is allowed while the test runs.
  const nginx = await Nginx.start(t, servers.port, limitedSite([/rate=20r\/s/, 'rate=1r/m'], [/burst=40/, 'burst=3']));
  const agent = nginx.agent(t);
  const statuses = [];
  for (let count = 0; count < 3; count++) statuses.push((await nginx.send(agent, GET)).status);
  assert.deepEqual(statuses, [200, 200, 200]);
  assertReadable(await nginx.send(agent, POST), 429, 'Too Many Requests');
  assert.equal((await nginx.send(agent, PREFLIGHT)).status, 204);
});

test('sends the server an X-Request-Id of nginx, not that of the client', { skip }, async (t) => {
  class IdHandler extends RequestHandler {
    override doGet() {
      return { id: this.request.headers['x-request-id'] ?? null };
    }
  }
  const nginx = await Nginx.start(t, await portOf(t, createServer({ '/': IdHandler }, { log: 'off' })));
  const { body } = await nginx.send(nginx.agent(t), { method: 'GET', headers: { 'x-request-id': 'invented' } });
  assert.match(JSON.parse(body).id, /^[0-9a-f]{32}$/);
});

for (const [title, site] of [['the shipped file', shippedSite()], ['a bare proxy_pass', bareSite]] as const) {
  test(`passes on each event at once with X-Accel-Buffering: no, with ${title}`, { skip }, async (t) => {
    let end = () => {};
    class EventsHandler extends RequestHandler {
      override async doGet() {
        this.sendHeader('Content-Type', 'text/event-stream');
        this.sendHeader('X-Accel-Buffering', 'no');
        const stream = this.endHeaders();
        stream.write('data: 1\n\n');
        await new Promise<void>((resolve) => (end = resolve));
      }
    }
    const routes = { '/events': EventsHandler };
    const nginx = await Nginx.start(t, await portOf(t, createServer(routes, { log: 'off' })), site);
    const limit = { signal: AbortSignal.timeout(STEP_LIMIT_MS) };
    const request = nginx.request(nginx.agent(t), { method: 'GET', path: '/events' }).end();
    const [response] = (await once(request, 'response', limit)) as [IncomingMessage];
    const [event] = await once(response, 'data', limit);
    assert.equal(String(event), 'data: 1\n\n');
    const ended = once(response, 'end', limit);
    end();
    response.resume();
    await ended;
  });
}

test(`loses no request of ${CLIENTS} clients in a rolling restart`, { skip }, async (t) => {
  const servers = await Servers.open(t, ENVIRONMENT);
  await servers.start('a');
  await servers.start('b');
  const nginx = await Nginx.start(t, servers.port);
  const clients = new Clients(t, nginx, await expectedOf(servers, GET, POST));
  await clients.serveOn();
  for (let restart = 1; restart <= RESTARTS; restart++) {
    for (const name of ['a', 'b']) {
      assert.equal(await servers.end(name, 'SIGTERM'), '0');
      await clients.serveOn();
      await servers.start(name);
      await clients.serveOn();
    }
  }
  await clients.end();
  t.diagnostic(`${clients.completed} requests in ${2 * RESTARTS} restarts`);
  assert.deepEqual(clients.lost, []);
});

test('loses no GET when one server is killed', { skip }, async (t) => {
  const servers = await Servers.open(t, ENVIRONMENT);
  await servers.start('a');
  await servers.start('b');
  const nginx = await Nginx.start(t, servers.port);
  const clients = new Clients(t, nginx, await expectedOf(servers, GET));
  for (let kill = 1; kill <= KILLS; kill++) {
    const name = kill % 2 ? 'a' : 'b';
    await clients.serveOn();
    assert.equal(await servers.end(name, 'SIGKILL'), String(128 + 9));
    await clients.serveOn();
    await servers.start(name);
  }
  await clients.end();
  t.diagnostic(`${clients.completed} requests, ${KILLS} kills`);
  assert.deepEqual(clients.lost, []);
});
