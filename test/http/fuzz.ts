import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, type Socket, connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestHandler, type StandardSchema, createServer } from '../../src/http/index.ts';
import { type Answer, assertSound, parseAnswers } from './answers.ts';
import { GRANTED_ORIGIN, type MutatedRequest, mutatedRequest } from './request-mutations.ts';

const CLIENTS = 300;
/** How long the sockets may take to close after the last request, in milliseconds. */
const CLOSING = 10_000;
const MAY_FAIL_WITH = [501, 503, 505];

class Echo extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return this.readJson();
  }
}

class Later extends RequestHandler {
  override async doGet() {
    await new Promise(setImmediate);
    return 'later';
  }
}

const schema: StandardSchema = {
  '~standard': {
    version: 1,
    vendor: 'fuzz',
    validate: (value) => {
      const isList = Array.isArray((value as { a?: unknown } | null)?.a);
      return isList ? { value } : { issues: [{ message: 'Not a list', path: ['a'] }] };
    },
  },
};

class Checked extends RequestHandler {
  override doPost() {
    return this.readJson(schema);
  }
}

class Item extends RequestHandler {
  override doGet() {
    return this.param('id');
  }
  override doPut() {
    return this.readJson(schema);
  }
  override doDelete() {}
}

const routes = { '/': Echo, '/later': Later, '/health': Echo, '/notes': Checked, '/notes/:id': Item };

/** What the server says to these must be the same before and after. */
const SOUND = [
  'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
  'GET /later HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n' +
    'Content-Length: 7\r\n\r\n{"a":1}',
  `OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nOrigin: ${GRANTED_ORIGIN}\r\n` +
    'Access-Control-Request-Method: POST\r\n\r\n',
  'GET /none HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nOrigin: https://evil.example\r\n\r\n',
];

export interface Figures {
  connections: number;
  /** How many answers had which status. */
  answers: ReadonlyMap<number, number>;
}

/**
 * Sends mutated requests to two servers, one for each kind of policy; rejects with the first that is not answered as it
 * should be.
 */
export async function fuzz(count: number, seed: number): Promise<Figures> {
  const servers = [createServer(routes, options('*')), createServer(routes, options([GRANTED_ORIGIN]))];
  try {
    for (const server of servers) {
      server.keepAliveTimeout = 1_000;
      await once(server.listen(0, '127.0.0.1'), 'listening');
    }
    const ports = servers.map((server) => (server.address() as AddressInfo).port);
    const before = await soundAnswers(ports);
    const answers = new Map<number, number>();
    let next = 0;
    const work = async () => {
      for (let number = next++; number < count; number = next++) {
        const request = mutatedRequest(seed, number);
        const received = await send(ports[number % 2]!, request);
        try {
          const answered = check(request, received, number % 2 === 0);
          for (const { status } of answered) answers.set(status, (answers.get(status) ?? 0) + 1);
        } catch (error) {
          const [sent, came] = [JSON.stringify(request), JSON.stringify(received)];
          const message = `Request ${number} of seed ${seed}, sent as ${sent}, was answered ${came}`;
          throw new Error(message, { cause: error });
        }
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, work));
    for (const server of servers) await untilEmpty(server);
    assert.deepEqual(await soundAnswers(ports), before, 'The server answers otherwise than before');
    return { connections: count, answers };
  } finally {
    for (const server of servers) server.close().closeAllConnections();
  }
}

function options(origins: '*' | (typeof GRANTED_ORIGIN)[]) {
  return {
    cors: { origins },
    allowedHosts: ['127.0.0.1'],
    bodyLimit: 10_000,
    requestTimeout: 2,
    handlerTimeout: 10,
  } as const;
}

function check({ packets, ending, expected }: MutatedRequest, received: string, anyOrigin: boolean): Answer[] {
  // Of a client that does not read to the end, the last answer may be a part.
  const answers = ending === 'leaves' || ending === 'resets' ? [] : parseAnswers(received);
  if (ending === 'waits for the server to close' && packets.length) assert.ok(answers.length, 'No answer');
  if (expected) {
    const statuses = answers.map(({ status }) => status).filter((status) => status >= 200);
    const isAsExpected = statuses.every((status, index) => expected[index]?.includes(status));
    const wanted = expected.map((any) => any.join(' or ')).join(', ');
    assert.ok(isAsExpected && statuses.length === expected.length, `Answered ${statuses.join(', ')}, not ${wanted}`);
  }
  for (const answer of answers) {
    assert.ok(answer.status < 500 || MAY_FAIL_WITH.includes(answer.status), `A ${answer.status}`);
    const isGranted = !anyOrigin && answer.headers.has('access-control-allow-origin');
    if (isGranted) assert.ok(packets.join('').includes(GRANTED_ORIGIN), 'A grant to nobody');
    assertSound(answer, anyOrigin ? '*' : isGranted ? GRANTED_ORIGIN : null);
  }
  return answers;
}

/** Resolves with all that came back. */
async function send(port: number, { packets, ending }: MutatedRequest): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  let received = '';
  socket.on('data', (chunk) => (received += chunk.toString('latin1')));
  socket.on('error', () => {});
  socket.once('end', () => socket.end());
  for (const packet of packets) {
    if (!socket.writable) break;
    socket.write(packet, 'latin1');
    await new Promise(setImmediate);
  }
  end(socket, ending);
  await closed;
  return received;
}

function end(socket: Socket, ending: MutatedRequest['ending']): void {
  switch (ending) {
    case 'closes its half': return void socket.end();
    case 'leaves': return void socket.destroy();
    case 'resets': return void socket.resetAndDestroy();
    case 'waits for the server to close':
  }
}

async function soundAnswers(ports: number[]): Promise<string[]> {
  const answers = ports.flatMap((port) =>
    SOUND.map((bytes) => send(port, { packets: [bytes], ending: 'waits for the server to close' })),
  );
  return (await Promise.all(answers)).map((answer) => answer.replace(/Date: .*\r\n/, ''));
}

async function untilEmpty(server: Server): Promise<void> {
  const count = () => new Promise<number>((resolve) => server.getConnections((_, open) => resolve(open)));
  const deadline = Date.now() + CLOSING;
  for (let open = await count(); open > 0; open = await count()) {
    if (Date.now() > deadline) throw new Error(`${open} sockets are still open`);
    await sleep(20);
  }
}
