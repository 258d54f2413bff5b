import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { test, type TestContext } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { within } from '../support/within.ts';

const COUNT = 5_000;
/** Upper bound on in-flight requests, which is one socket read of minimal requests plus the limit. */
const MOST = 3_000;

/** Creates a handler that waits for `release` and counts waiting requests. */
function patience() {
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const counts = { called: 0, disconnected: 0 };
  class Patient extends RequestHandler {
    override async doGet() {
      const number = ++counts.called;
      const { signal } = this;
      const disconnected = new Promise<void>((resolve) =>
        signal.addEventListener('abort', () => resolve(void counts.disconnected++), { once: true }),
      );
      await Promise.race([released, disconnected]);
      return { number };
    }
    override async doPost() {
      await this.readJson();
      return this.doGet();
    }
  }
  return { Patient, counts, release };
}

class Other extends RequestHandler {
  override doGet() {
    return 'other';
  }
}

const kinds = {
  GET: requestBytes('GET /'),
  POST: requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 2'], '[]'),
};

/** Lets the event loop turn often enough to read everything the first client has sent. */
async function turns(t: TestContext, port: number): Promise<void> {
  const connection = await Connection.open(t, port);
  for (let turn = 0; turn < 40; turn++) {
    connection.received = '';
    connection.send(requestBytes('GET /other'));
    await connection.until('"other"');
  }
  connection.socket.destroy();
}

for (const [kind, bytes] of Object.entries(kinds)) {
  test(`serves ${COUNT} pipelined requests in order, few at once: ${kind}`, async (t) => {
    const { Patient, counts, release } = patience();
    const { port } = await listen(t, { '/': Patient, '/other': Other });
    const connection = await Connection.open(t, port);
    connection.send(bytes.repeat(COUNT - 1) + bytes.replace('\r\n', '\r\nConnection: close\r\n'));
    await turns(t, port);
    assert.ok(counts.called > 0 && counts.called < MOST, `${counts.called} are in flight`);
    assert.equal(connection.received, '');

    release();
    const received = await within('all responses', connection.untilClosed());
    const numbers = [...received.matchAll(/\{"number":(\d+)\}/g)].map((match) => Number(match[1]));
    assert.equal(numbers.length, COUNT);
    assert.ok(
      numbers.every((number, index) => number === index + 1),
      'They are not in order',
    );
    assert.equal(received.match(/HTTP\/1\.1 200 /g)?.length, COUNT);
  });
}

test('ignores requests after Connection: close while responses are pending', async (t) => {
  const { Patient, release } = patience();
  const { port, server } = await listen(t, { '/': Patient, '/other': Other });
  let requests = 0;
  server.on('request', () => requests++);
  const connection = await Connection.open(t, port);
  connection.send(kinds.GET + requestBytes('GET /#'));
  await turns(t, port);
  requests = 0;
  for (let sent = 0; sent < 10; sent++) {
    connection.send(requestBytes('GET /more').repeat(1_000));
    await turns(t, port);
  }
  // turns() itself sends 40 requests.
  const taken = requests - 10 * 40;
  assert.ok(taken < MOST, `${taken} requests were taken in`);
  release();
  assert.match(await connection.untilClosed(), /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 400 /);
});

test('defers pipelined requests while the client is not reading', async (t) => {
  const COUNT = 30;
  let calls = 0;
  class Large extends RequestHandler {
    override doGet() {
      calls++;
      return 'x'.repeat(2_000_000);
    }
  }
  const { port } = await listen(t, { '/': Large, '/other': Other }, { handlerTimeout: 0 });
  const connection = await Connection.open(t, port);
  connection.socket.pause();
  connection.send(kinds.GET.repeat(COUNT - 1) + requestBytes('GET /', ['Connection: close']));
  await turns(t, port);
  // The kernel buffers some of it.
  assert.ok(calls < COUNT / 2, `${calls} have been called`);
  connection.socket.resume();
  const received = await connection.untilClosed();
  assert.equal(calls, COUNT);
  assert.equal(received.match(/HTTP\/1\.1 200 /g)?.length, COUNT);
  assert.ok(received.length > COUNT * 2_000_000);
});

test('does not accumulate listeners for packets that follow an invalid chunk', async (t) => {
  const { Patient, release } = patience();
  const { port, server } = await listen(t, { '/': Patient, '/other': Other });
  const responses: ServerResponse[] = [];
  server.on('request', (_request, response) => responses.push(response));
  const connection = await Connection.open(t, port);
  connection.send(kinds.GET + requestBytes('GET /other', ['Transfer-Encoding: chunked'], '1\r\na\r\n'));
  await turns(t, port);
  const before = responses.slice(0, 2).map((response) => response.listenerCount('close'));
  for (let packet = 0; packet < 5; packet++) {
    connection.send('not a chunk\r\n');
    await turns(t, port);
  }
  const after = responses.slice(0, 2).map((response) => response.listenerCount('close'));
  assert.ok(after.every((count, index) => count <= before[index]! + 1), `${before} listeners have become ${after}`);
  release();
  assert.match(await connection.untilClosed(), /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 200 /);
});

test('aborts exactly the in-flight requests of a client that disconnects', async (t) => {
  const { Patient, counts, release } = patience();
  const { port } = await listen(t, { '/': Patient, '/other': Other });
  const stays = await Connection.open(t, port);
  stays.send(kinds.GET.repeat(3));
  const leaves = await Connection.open(t, port);
  leaves.send(kinds.GET.repeat(5));
  await turns(t, port);
  assert.equal(counts.called, 2);
  leaves.socket.destroy();
  while (counts.disconnected < 1) await new Promise(setImmediate);
  await turns(t, port);
  assert.equal(counts.disconnected, 1);
  release();
  await within('the responses to the other client', stays.until(/(?:\{"number":\d+\}[^]*){3}/));
});

test('responds 400 to a queued request whose body is invalid, without waiting for it', async (t) => {
  const { Patient, release } = patience();
  const { port } = await listen(t, { '/': Patient, '/other': Other });
  const connection = await Connection.open(t, port);
  const headers = ['Content-Type: application/json', 'Transfer-Encoding: chunked'];
  connection.send(kinds.GET + requestBytes('POST /', headers, 'zz\r\n'));
  await turns(t, port);
  release();
  assert.match(await connection.untilClosed(), /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 400 [^]*\}$/);
});

test('detects a disconnect while reading is paused, and releases the connection', async (t) => {
  const { Patient, release } = patience();
  const { port, server } = await listen(t, { '/': Patient, '/other': Other });
  const connection = await Connection.open(t, port);
  connection.send(kinds.GET.repeat(COUNT));
  await turns(t, port);
  connection.socket.resetAndDestroy();
  release();
  const count = () => new Promise<number>((resolve) => server.getConnections((_, open) => resolve(open)));
  const closed = (async () => {
    while ((await count()) > 0) await new Promise(setImmediate);
  })();
  await within('the connection to be released', closed);
});

test('detects a disconnect in a Connection: close response with 100 queued requests', async (t) => {
  const events = new EventEmitter();
  class Last extends RequestHandler {
    override async doGet() {
      await arrived;
      this.sendHeader('Connection', 'close');
      this.endHeaders().write('begun');
      await once(this.signal, 'abort');
      events.emit('disconnected');
    }
  }
  const { port, server } = await listen(t, { '/': Last });
  let requests = 0;
  // The server pauses reading when 100 requests are queued.
  const arrived = new Promise<void>((resolve) => server.on('request', () => ++requests === 101 && resolve()));
  const disconnected = once(events, 'disconnected');
  const connection = await Connection.open(t, port);
  connection.send(kinds.GET.repeat(101));
  await connection.until('begun');
  connection.socket.destroy();
  await within('the signal aborted', disconnected);
});
