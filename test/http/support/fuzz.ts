import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect } from 'node:net';
import { RequestHandler, type StandardSchema, createServer } from '../../../src/http/index.ts';
import { type RawResponse, assertValidResponse, parseResponses } from './response.ts';
import { ALLOWED_ORIGIN, type MutatedRequest, mutatedRequest } from './request-mutations.ts';
import { untilNoConnections } from './within.ts';

const CLIENTS = 300;
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

/** Probe requests whose responses must be identical before and after the run. */
const SOUND = [
  'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
  'GET /later HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n' +
    'Content-Length: 7\r\n\r\n{"a":1}',
  `OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nOrigin: ${ALLOWED_ORIGIN}\r\n` +
    'Access-Control-Request-Method: POST\r\n\r\n',
  'GET /none HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nOrigin: https://evil.example\r\n\r\n',
];

export interface Figures {
  connections: number;
  /** Number of responses by status. */
  responses: ReadonlyMap<number, number>;
}

/**
 * Sends mutated requests to two servers, one for each kind of CORS policy. Rejects on the first unexpected response.
 */
export async function fuzz(count: number, seed: number): Promise<Figures> {
  const servers = [createServer(routes, options('*')), createServer(routes, options([ALLOWED_ORIGIN]))];
  try {
    for (const server of servers) {
      server.keepAliveTimeout = 1_000;
      await once(server.listen(0, '127.0.0.1'), 'listening');
    }
    const ports = servers.map((server) => (server.address() as AddressInfo).port);
    const before = await probe(ports);
    const responses = new Map<number, number>();
    let next = 0;
    const work = async () => {
      for (let number = next++; number < count; number = next++) {
        const request = mutatedRequest(seed, number);
        const received = await send(ports[number % 2]!, request);
        try {
          const valid = check(request, received, number % 2 === 0);
          for (const { status } of valid) responses.set(status, (responses.get(status) ?? 0) + 1);
        } catch (error) {
          const [sent, came] = [JSON.stringify(request), JSON.stringify(received)];
          const message = `Request ${number} of seed ${seed}, sent as ${sent}, got ${came}`;
          throw new Error(message, { cause: error });
        }
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, work));
    for (const server of servers) await untilNoConnections(server);
    assert.deepEqual(await probe(ports), before, 'The probe responses differ from those before');
    return { connections: count, responses };
  } finally {
    for (const server of servers) server.close().closeAllConnections();
  }
}

function options(origins: '*' | (typeof ALLOWED_ORIGIN)[]) {
  return {
    cors: { origins },
    allowedHosts: ['127.0.0.1'],
    bodyLimit: 10_000,
    requestTimeout: 2,
    handlerTimeout: 10,
  } as const;
}

function check({ packets, ending, expected }: MutatedRequest, received: string, anyOrigin: boolean): RawResponse[] {
  // If the client stops reading, its last response may be incomplete.
  const responses = ending === 'leaves' || ending === 'resets' ? [] : parseResponses(received);
  if (ending === 'waits for the server to close' && packets.length) assert.ok(responses.length, 'No response');
  if (expected) {
    const statuses = responses.map(({ status }) => status).filter((status) => status >= 200);
    const isAsExpected = statuses.every((status, index) => expected[index]?.includes(status));
    const wanted = expected.map((any) => any.join(' or ')).join(', ');
    assert.ok(isAsExpected && statuses.length === expected.length, `Got ${statuses.join(', ')}, not ${wanted}`);
  }
  for (const response of responses) {
    assert.ok(response.status < 500 || MAY_FAIL_WITH.includes(response.status), `A ${response.status}`);
    const isAllowed = !anyOrigin && response.headers.has('access-control-allow-origin');
    if (isAllowed) assert.ok(packets.join('').includes(ALLOWED_ORIGIN), 'CORS headers for nobody');
    assertValidResponse(response, anyOrigin ? '*' : isAllowed ? ALLOWED_ORIGIN : null);
  }
  return responses;
}

/** Resolves with everything received. */
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

async function probe(ports: number[]): Promise<string[]> {
  const responses = ports.flatMap((port) =>
    SOUND.map((bytes) => send(port, { packets: [bytes], ending: 'waits for the server to close' })),
  );
  return (await Promise.all(responses)).map((response) => response.replace(/Date: .*\r\n/, ''));
}
