/**
 * scripts/deploy/nginx.conf with real nginx, before two servers on one socket. Not part of `npm test`:
 * `node --import tsx --test scripts/maintenance/check/nginx.test.ts`.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Servers, listeningSocket } from './shared-socket.ts';

const CLIENTS = 16;
const RESTARTS = 3;
const KILLS = 10;
/** For each wait, in milliseconds. */
const STEP_LIMIT = 20_000;

const NAME = 'api.example.com';
const PAGE = 'https://app.example.com';
const ENVIRONMENT = {
  ALLOWED_HOSTS: NAME,
  CORS_ORIGINS: PAGE,
  CORS_CREDENTIALS: 'true',
  CORS_EXPOSED_HEADERS: 'location',
};

const skip = process.env['CI'] !== 'true' && missing();

/** What to install; false where all is there. */
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

interface Message {
  method: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

interface Answer {
  status: number;
  /** Name and value of each header line that a browser reads for CORS, in their order. */
  cors: string[];
  body: string;
}

/** nginx with the file of scripts/deploy, before these servers; only paths, names and ports are replaced. */
class Front {
  readonly port: number;
  readonly #certificate: Buffer;

  private constructor(port: number, certificate: Buffer) {
    this.port = port;
    this.#certificate = certificate;
  }

  static async open(t: TestContext, servers: Servers): Promise<Front> {
    const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
    execFileSync('openssl', [
      'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', `/CN=${NAME}`, '-addext', `subjectAltName=DNS:${NAME}`, '-keyout', key, '-out', certificate,
    ], { stdio: 'ignore' });
    const socket = await listeningSocket();
    const replacements = [
      [/^  listen 443 ssl;$/m, `  listen 127.0.0.1:${socket.port} ssl;`],
      // Some machines have no IPv6.
      [/^  listen \[::\]:443 ssl;$/m, `  listen unix:${folder}/socket ssl;`],
      [/127\.0\.0\.1:8000/g, `127.0.0.1:${servers.port}`],
      [/\/etc\/letsencrypt\/live\/api\.example\.com\/fullchain\.pem/, certificate],
      [/\/etc\/letsencrypt\/live\/api\.example\.com\/privkey\.pem/, key],
    ] as const;
    let site = readFileSync('scripts/deploy/nginx.conf', 'utf8');
    for (const [pattern, replacement] of replacements) {
      assert.match(site, pattern);
      site = site.replace(pattern, replacement);
    }
    writeFileSync(join(folder, 'site.conf'), site);
    writeFileSync(join(folder, 'nginx.conf'), `
      daemon off;
      worker_processes 2;
      pid ${folder}/pid;
      error_log ${folder}/error.log;
      events {}
      http {
        access_log off;
        client_body_temp_path ${folder}/body;
        proxy_temp_path ${folder}/proxy;
        fastcgi_temp_path ${folder}/fastcgi;
        uwsgi_temp_path ${folder}/uwsgi;
        scgi_temp_path ${folder}/scgi;
        include ${folder}/site.conf;
      }`);
    const nginx = spawn('nginx', ['-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')], {
      // nginx takes over listening sockets that NGINX names; so no other process can take the port in between.
      env: { PATH: `${process.env['PATH']}:/usr/sbin`, NGINX: '3;' },
      stdio: ['ignore', 'ignore', 'inherit', socket.descriptor],
    });
    socket.close();
    t.after(async () => {
      if (nginx.exitCode === null) {
        nginx.kill('SIGTERM');
        await once(nginx, 'exit', { signal: AbortSignal.timeout(STEP_LIMIT) });
      }
      rmSync(folder, { recursive: true });
    });
    await Promise.race([
      once(nginx, 'spawn'),
      once(nginx, 'error').then(([error]) => Promise.reject(error)),
    ]);
    const front = new Front(socket.port, readFileSync(certificate));
    // The socket listens already: the first request waits in it until nginx is there.
    await front.ask(front.agent(t), { method: 'GET' });
    return front;
  }

  /** The one connection of a client. */
  agent(t: TestContext): https.Agent {
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: this.#certificate, servername: NAME });
    t.after(() => agent.destroy());
    return agent;
  }

  ask(agent: https.Agent, message: Message): Promise<Answer> {
    const options = { agent, port: this.port, host: '127.0.0.1', ...message };
    const headers = { host: `${NAME}:${this.port}`, ...message.headers };
    return answerTo(https.request({ ...options, headers }), message);
  }
}

/** What the servers say without nginx. */
function askDirectly({ port }: Servers, message: Message): Promise<Answer> {
  const options = { port, host: '127.0.0.1', agent: false, ...message };
  return answerTo(http.request({ ...options, headers: { host: NAME, ...message.headers } }), message);
}

/** Rejects where the answer is not whole. */
async function answerTo(request: http.ClientRequest, { body }: Message): Promise<Answer> {
  const limit = setTimeout(() => request.destroy(new Error(`No answer within ${STEP_LIMIT} ms`)), STEP_LIMIT);
  try {
    request.end(body);
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) text += chunk;
    const cors: string[] = [];
    for (let index = 0; index < answer.rawHeaders.length; index += 2) {
      const name = answer.rawHeaders[index]!;
      if (/^(?:access-control-|vary$)/i.test(name)) cors.push(`${name}: ${answer.rawHeaders[index + 1]}`);
    }
    return { status: answer.statusCode!, cors, body: text };
  } finally {
    clearTimeout(limit);
  }
}

const JSON_TYPE = { 'content-type': 'application/json' };
const GET: Message = { method: 'GET', headers: { origin: PAGE } };
const POST: Message = { method: 'POST', headers: { origin: PAGE, ...JSON_TYPE }, body: '{"a":1}' };

/** Clients, each with a connection of its own, that send the same messages again and again. */
class Clients {
  answered = 0;
  /** What was not answered as without nginx. */
  readonly lost: string[] = [];
  readonly #turns: Promise<void>[];
  #isOver = false;

  constructor(t: TestContext, front: Front, expected: ReadonlyMap<Message, Answer>) {
    this.#turns = Array.from({ length: CLIENTS }, () => this.#run(front, front.agent(t), expected));
    t.after(() => this.end());
  }

  /** Resolves once each client has been answered again. */
  async serveOn(): Promise<void> {
    const enough = this.answered + 10 * CLIENTS;
    const limit = Date.now() + STEP_LIMIT;
    while (this.answered < enough) {
      assert.ok(Date.now() < limit, `${CLIENTS} clients did not get 10 answers each within ${STEP_LIMIT} ms`);
      await sleep(1);
    }
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#turns);
  }

  async #run(front: Front, agent: https.Agent, expected: ReadonlyMap<Message, Answer>): Promise<void> {
    while (!this.#isOver) {
      for (const [message, answer] of expected) {
        try {
          assert.deepEqual(await front.ask(agent, message), answer);
          this.answered++;
        } catch (error) {
          this.lost.push(`${message.method}: ${error}`);
        }
      }
    }
  }
}

async function expectedOf(servers: Servers, ...messages: Message[]): Promise<Map<Message, Answer>> {
  const expected = new Map<Message, Answer>();
  for (const message of messages) expected.set(message, await askDirectly(servers, message));
  return expected;
}

test('CORS headers pass nginx once and unchanged, those of a 413 of 2 MB too', { skip }, async (t) => {
  const servers = await Servers.open(t, ENVIRONMENT);
  await servers.start('a');
  const front = await Front.open(t, servers);
  const preflight = {
    ...GET.headers,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'content-type',
  };
  const tooLarge = Buffer.alloc(2_000_000, ' ');
  const messages: [message: Message, status: number][] = [
    [GET, 200],
    [POST, 200],
    [{ method: 'OPTIONS', headers: preflight }, 204],
    [{ method: 'GET', path: '/none', headers: { origin: PAGE } }, 404],
    [{ method: 'GET', headers: { origin: 'https://other.example' } }, 403],
    [{ ...POST, headers: { ...POST.headers, 'content-length': String(tooLarge.length) }, body: tooLarge }, 413],
    [{ ...POST, headers: { ...POST.headers, 'transfer-encoding': 'chunked' }, body: tooLarge }, 413],
  ];
  const agent = front.agent(t);
  for (const [message, status] of messages) {
    const answer = await front.ask(agent, message);
    const what = `${message.method} that is answered ${status}`;
    assert.equal(answer.status, status, what);
    assert.deepEqual(answer, await askDirectly(servers, message), what);
    if (status === 403) continue;
    const grants = answer.cors.filter((line) => /^Access-Control-Allow-Origin:/i.test(line));
    assert.deepEqual(grants, [`Access-Control-Allow-Origin: ${PAGE}`], what);
  }
});

test('a page of the API itself may POST to it, on a port other than 443 too', { skip }, async (t) => {
  const servers = await Servers.open(t, ENVIRONMENT);
  await servers.start('a');
  const front = await Front.open(t, servers);
  const own = { ...POST, headers: { ...POST.headers, origin: `https://${NAME}:${front.port}` } };
  assert.equal((await front.ask(front.agent(t), own)).status, 200);
});

test(`a rolling restart under ${CLIENTS} clients fails no request`, { skip }, async (t) => {
  const servers = await Servers.open(t, ENVIRONMENT);
  await servers.start('a');
  await servers.start('b');
  const front = await Front.open(t, servers);
  const clients = new Clients(t, front, await expectedOf(servers, GET, POST));
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
  t.diagnostic(`${clients.answered} requests in ${2 * RESTARTS} restarts`);
  assert.deepEqual(clients.lost, []);
});

test('kill -9 of one server fails no GET', { skip }, async (t) => {
  const servers = await Servers.open(t, ENVIRONMENT);
  await servers.start('a');
  await servers.start('b');
  const front = await Front.open(t, servers);
  const clients = new Clients(t, front, await expectedOf(servers, GET));
  for (let kill = 1; kill <= KILLS; kill++) {
    const name = kill % 2 ? 'a' : 'b';
    await clients.serveOn();
    assert.equal(await servers.end(name, 'SIGKILL'), String(128 + 9));
    await clients.serveOn();
    await servers.start(name);
  }
  await clients.end();
  t.diagnostic(`${clients.answered} requests, ${KILLS} kills`);
  assert.deepEqual(clients.lost, []);
});
