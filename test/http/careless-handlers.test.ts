import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AccessLogEntry, HttpError, RequestHandler } from '../../src/http/index.ts';
import { CARELESS_METHODS } from './support/careless-methods.ts';
import { listen } from './support/listen.ts';
import { Random } from './support/request-mutations.ts';
import { parseResponses } from './support/response.ts';
import { eventually, untilNoConnections, within } from './support/within.ts';

// For a longer run: node --import tsx test/http/careless-handlers.test.ts [count] [seed]
const COUNT = Number(process.argv[2] ?? 400);
const SEED = Number(process.argv[3] ?? 1);
const CLIENTS = 100;

/** The calls and the log entries of one request. */
interface Course {
  readonly method: string;
  calls: number;
  settled: number;
  readonly entries: AccessLogEntry[];
}

const courses = new Map<string, Course>();

/** Calls the method that the query names, and records its course. */
class Careless extends RequestHandler {
  get #course(): Course {
    const id = this.query.get('id')!;
    const course = courses.get(id) ?? { method: this.query.get('method')!, calls: 0, settled: 0, entries: [] };
    courses.set(id, course);
    return course;
  }

  override async prepare() {
    const how = this.query.get('prepare');
    if (how === 'fails') throw new HttpError(401);
    if (how === 'sends') this.sendJson('sent by prepare()');
    if (how === 'waits') await sleep(1);
  }

  override doGet() {
    const course = this.#course;
    course.calls++;
    const settle = () => void course.settled++;
    try {
      const value = CARELESS_METHODS[course.method]!(this);
      if (value instanceof Promise) value.then(settle, settle);
      else settle();
      return value;
    } catch (error) {
      settle();
      throw error;
    }
  }

  override doPost() {
    return this.doGet();
  }

  override logRequest(entry: AccessLogEntry): void {
    this.#course.entries.push(entry);
    if (entry.status === 401) throw new Error('A hook that fails');
  }

  override logError(): void {}
}

const ENDINGS = [
  'reads to the end', 'reads to the end', 'closes its half', 'leaves', 'resets', 'stops reading',
] as const;

interface Plan {
  readonly ids: readonly string[];
  /** Latin-1 strings, each sent separately. */
  readonly packets: readonly string[];
  /** The number of packets that are sent. */
  readonly sent: number;
  readonly ending: (typeof ENDINGS)[number];
  readonly text: string;
}

function planOf(random: Random, client: number): Plan {
  const requests = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, (_, index) => {
    return requestOf(random, `${client}.${index}`);
  });
  const bytes = requests.map((request) => request.bytes).join('');
  const most = random.pick([bytes.length, 50_000, 300]);
  const packets: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = packets.length < 50 ? at + 1 + random.below(most) : bytes.length;
    packets.push(bytes.slice(at, end));
    at = end;
  }
  // An endless response cannot be read to its end.
  const ending = bytes.includes('endless') ? 'leaves' : random.pick(ENDINGS);
  const sent = random.below(3) === 0 ? random.below(packets.length + 1) : packets.length;
  const text = `${requests.map((request) => request.text).join(' | ')} | ${sent} of ${packets.length}, ${ending}`;
  return { ids: requests.map((request) => request.id), packets, sent, ending, text };
}

function requestOf(random: Random, id: string) {
  const method = random.pick(Object.keys(CARELESS_METHODS));
  const verb = random.pick(['GET', 'HEAD', 'POST', 'POST', 'POST']);
  const version = random.pick([0, ...Array<number>(11).fill(1)]);
  const length = verb === 'POST' ? random.pick([0, 7, 2_000, 70_000, 250_000]) : 0;
  const body = length > 0 ? `"${'z'.repeat(length - 2)}"` : '';
  const isChunked = verb === 'POST' && version === 1 && random.below(3) === 0;
  const headers = random.pick([[], [], [], ['Connection: close'], ['Connection: keep-alive'], ['Upgrade: h2c']]);
  const expects = verb === 'POST' && random.below(6) === 0 ? ['Expect: 100-continue'] : [];
  const framing = isChunked ? ['Transfer-Encoding: chunked'] : length > 0 ? [`Content-Length: ${length}`] : [];
  const lines = ['Host: 127.0.0.1', 'Content-Type: application/json', ...headers, ...expects, ...framing];
  const target = `/?id=${id}&method=${method}&prepare=${random.pick(['', '', '', 'fails', 'sends', 'waits'])}`;
  const sent = isChunked ? `${body && `${length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n` : body;
  const head = `${verb} ${target} HTTP/1.${version}`;
  return { id, bytes: `${head}\r\n${lines.join('\r\n')}\r\n\r\n${sent}`, text: [head, ...lines].join(', ') };
}

/** Carries out the plan of a client. Resolves with all bytes that it has received, once its connection is closed. */
async function run({ packets, sent, ending }: Plan, random: Random, port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  let received = '';
  socket.on('error', () => {});
  socket.on('end', () => socket.end());
  if (ending !== 'stops reading') socket.on('data', (chunk) => (received += chunk.toString('latin1')));
  for (const packet of packets.slice(0, sent)) {
    if (socket.writable) socket.write(packet, 'latin1');
    if (random.below(4) === 0) await sleep(random.below(3));
  }
  if (ending === 'stops reading') await sleep(20);
  else if (ending !== 'reads to the end') await sleep(random.below(10));
  if (ending === 'closes its half') socket.end();
  else if (ending === 'resets') socket.resetAndDestroy();
  else if (ending !== 'reads to the end') socket.destroy();
  await within('the connection closed', closed);
  return received;
}

/** Asserts that the responses of a client that has read them all are those in the access log. */
function expectLoggedResponses({ ids, text }: Plan, received: string): void {
  // Whether a response to HEAD or to HTTP/1.0 is complete cannot be seen in its bytes.
  const logged = ids.flatMap((id) => courses.get(id)?.entries ?? []);
  if (/HEAD|HTTP\/1\.0/.test(text) || logged.some(({ outcome }) => outcome)) return;
  const statuses = parseResponses(received).map(({ status }) => status).filter((status) => status >= 200);
  assert.deepEqual(statuses, logged.map(({ status }) => status));
}

test(`settles and logs each request of ${COUNT} careless clients and handlers (seed ${SEED})`, async (t) => {
  const options = { baseHandler: Careless, requestTimeout: 1, handlerTimeout: 1.5, bodyLimit: 200_000 };
  const { server, port, url } = await listen(t, { '/': Careless }, options);
  server.keepAliveTimeout = 200;
  const failures: string[] = [];
  let next = 0;
  const work = async () => {
    for (let client = next++; client < COUNT; client = next++) {
      const random = new Random(SEED * 1_000_003 + client);
      const plan = planOf(random, client);
      const of = `client ${client} of seed ${SEED}: ${plan.text}`;
      try {
        const received = await run(plan, random, port);
        const called = plan.ids.flatMap((id) => courses.get(id) ?? []);
        await eventually('each method has settled, and each response is logged', () => {
          return called.every(({ calls, settled, entries }) => settled === calls && entries.length > 0);
        });
        for (const { calls, entries } of called) assert.ok(calls <= 1 && entries.length === 1, `${calls} calls`);
        if (plan.ending === 'reads to the end' && plan.sent === plan.packets.length) {
          expectLoggedResponses(plan, received);
        }
      } catch (error) {
        failures.push(`${(error as Error).message}; ${of}`);
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, work));
  assert.deepEqual(failures, []);
  await untilNoConnections(server);
  const response = await fetch(`${url}/?id=last&method=value&prepare=`);
  assert.deepEqual(await response.json(), { status: 'OK' });
});
