import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { RequestHandler, shutdown } from '../../src/http/index.ts';
import { assertSound, soundAnswers, wholeAnswer } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { ServerProcess } from './server-process.ts';

const CLIENTS = 24;
/** A server that does not stop would let the tests wait for ever. */
const LIMIT = { timeout: 30_000 };

/** The server in a process of its own, with slow routes added. */
function start(t: TestContext, environment: Record<string, string> = {}): ServerProcess {
  return new ServerProcess(t, { LOG: 'off', ...environment }, 'test/http/slow-server.ts');
}

const JSON_TYPE = 'Content-Type: application/json';

const load = [
  requestBytes('GET /'),
  requestBytes('GET /late'),
  requestBytes('POST /', [JSON_TYPE, 'Content-Length: 2'], '[]'),
  requestBytes('GET /none'),
  requestBytes('OPTIONS /', ['Origin: https://app.example.com', 'Access-Control-Request-Method: POST']),
  requestBytes('POST /', [JSON_TYPE, 'Content-Length: 1'], '['),
];

/** A client that asks again and again on one connection, and opens the next when the server closes it. */
class Client {
  answered = 0;
  /** What came instead of a whole answer on a connection that had served before. */
  readonly lost: string[] = [];

  async run(t: TestContext, port: number, request: string): Promise<void> {
    for (;;) {
      const connection = await Connection.open(t, port).catch(() => undefined);
      if (!connection) return;
      for (let isFirst = true; !connection.socket.readableEnded && !connection.socket.destroyed; isFirst = false) {
        connection.received = '';
        connection.send(request);
        const answer = await wholeAnswer(connection);
        if (!answer) {
          // A first request may have found the listener closed before the server knew of the connection.
          if (!isFirst) this.lost.push(JSON.stringify(connection.received));
          break;
        }
        this.answered++;
        assertSound(answer);
        if (answer.headers.get('connection') === 'close') await connection.closed;
        // What has come about the connection by now is known before the next request leaves.
        await new Promise(setImmediate);
      }
      connection.socket.destroy();
    }
  }
}

for (let stop = 1; stop <= 10; stop++) {
  test(`SIGTERM under the load of ${CLIENTS} clients loses no request, and exits with 0: stop ${stop} of 10`, LIMIT, async (t) => {
    const server = start(t);
    const port = await server.port();

    const silent = await Connection.open(t, port);
    const halfHead = await Connection.open(t, port);
    halfHead.send('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ');
    const slow = await Connection.open(t, port);
    slow.send(requestBytes('GET /slow'));
    const upload = await Connection.open(t, port);
    upload.send(requestBytes('POST /release', [JSON_TYPE, 'Content-Length: 9', 'Expect: 100-continue']));
    await upload.until('100 Continue');
    upload.send('"half');

    const clients = Array.from({ length: CLIENTS }, () => new Client());
    const runs = Promise.all(clients.map((client, index) => client.run(t, port, load[index % load.length]!)));
    while (clients.some(({ answered }) => answered < 20)) await new Promise(setImmediate);
    server.child.kill('SIGTERM');
    await runs;

    // These two close when the grace for idle connections is over; what is in hand is still in hand then.
    assert.equal(await silent.untilClosed(), '');
    assert.equal(await halfHead.untilClosed(), '');
    upload.send('way"');
    for (const answer of [soundAnswers(await upload.untilClosed(), [100, 200])[1], soundAnswers(await slow.untilClosed(), [200])[0]]) {
      assert.equal(answer!.headers.get('connection'), 'close');
    }
    assert.equal(await server.ended(), 0);
    assert.deepEqual(clients.flatMap(({ lost }) => lost), []);
  });
}

test('during SHUTDOWN_DELAY /health answers 503, and all else goes on as usual, on new connections and old ones', LIMIT, async (t) => {
  const server = start(t, { SHUTDOWN_DELAY: '3600' });
  const port = await server.port();
  const old = await Connection.open(t, port);
  old.send(requestBytes('GET /health'));
  await old.until('}');
  soundAnswers(old.received, [200]);
  server.child.kill('SIGTERM');
  let received = '';
  do received = await sendRaw(t, port, requestBytes('GET /health', ['Connection: close']));
  while (received.startsWith('HTTP/1.1 200 '));
  soundAnswers(received, [503]);
  soundAnswers(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
  for (const [path, status] of [['/health', 503], ['/', 200]] as const) {
    old.received = '';
    old.send(requestBytes(`GET ${path}`));
    await old.until('}');
    const [answer] = soundAnswers(old.received, [status]);
    assert.equal(answer!.headers.get('connection'), 'keep-alive');
  }
});

for (const [first, second] of [['SIGTERM', 'SIGTERM'], ['SIGINT', 'SIGTERM']] as const) {
  test(`${second} after ${first} exits at once with 1`, LIMIT, async (t) => {
    const server = start(t, { SHUTDOWN_DELAY: '3600', SHUTDOWN_TIMEOUT: '3600' });
    const port = await server.port();
    const slow = await Connection.open(t, port);
    slow.send(requestBytes('GET /slow'));
    server.child.kill(first);
    while (!(await sendRaw(t, port, requestBytes('GET /health', ['Connection: close']))).startsWith('HTTP/1.1 503 '));
    server.child.kill(second);
    assert.equal(await server.ended(), 1);
    assert.equal(await slow.untilClosed(), '');
  });
}

for (const timeout of ['0', '1']) {
  test(`what is not answered within SHUTDOWN_TIMEOUT=${timeout} is cut, and the exit code is 1`, LIMIT, async (t) => {
    const server = start(t, { SHUTDOWN_TIMEOUT: timeout });
    const port = await server.port();
    const upload = await Connection.open(t, port);
    upload.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 8', 'Expect: 100-continue']));
    await upload.until('100 Continue');
    const slow = await Connection.open(t, port);
    slow.send(requestBytes('GET /slow'));
    soundAnswers(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
    server.child.kill('SIGTERM');
    assert.equal(await server.ended(), 1);
    assert.equal(await slow.untilClosed(), '');
  });
}

test('an upload that never ends is answered 408 while the server is stopping, and the exit code is 0', LIMIT, async (t) => {
  const server = start(t, { REQUEST_TIMEOUT: '1' });
  const port = await server.port();
  const upload = await Connection.open(t, port);
  upload.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 8'], '"half'));
  soundAnswers(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
  server.child.kill('SIGTERM');
  soundAnswers(await upload.untilClosed(), [408]);
  assert.equal(await server.ended(), 0);
});

class Status extends RequestHandler {
  override doGet() {
    return 'OK';
  }
  override doPost() {
    return this.readJson();
  }
}

class Late extends RequestHandler {
  override async doGet() {
    while (!this.draining) await new Promise(setImmediate);
    await new Promise(setImmediate);
    return 'late';
  }
}

class Large extends RequestHandler {
  override doGet() {
    return 'x'.repeat(10_000_000);
  }
}

test('every answer after the listener has closed says Connection: close, errors and what node refuses too', LIMIT, async (t) => {
  const bytes: [bytes: string, status: number][] = [
    [requestBytes('GET /'), 200],
    [requestBytes('HEAD /'), 200],
    [requestBytes('OPTIONS /'), 204],
    [requestBytes('POST /', [JSON_TYPE, 'Content-Length: 2'], '[]'), 200],
    [requestBytes('POST /', [JSON_TYPE, 'Content-Length: 1'], '['), 400],
    [requestBytes('DELETE /'), 405],
    [requestBytes('GET /none'), 404],
    ['garbage\r\n\r\n', 400],
  ];
  const { port, server } = await listen(t, { '/': Status });
  const connections = await Promise.all(bytes.map(() => Connection.open(t, port)));
  for (const connection of connections) {
    connection.send(requestBytes('GET /'));
    await connection.until('"OK"');
    connection.received = '';
  }
  // Sent before the server begins to stop, read afterwards.
  connections.forEach((connection, index) => connection.send(bytes[index]![0]));
  const isClean = shutdown(server);
  for (const [index, connection] of connections.entries()) {
    const [answer] = soundAnswers(await connection.untilClosed(), [bytes[index]![1]]);
    assert.equal(answer!.headers.get('connection'), 'close');
  }
  assert.equal(await isClean, true);
});

test('a connection that is idle when the stop begins serves one more request, which may still be on its way', LIMIT, async (t) => {
  const { port, server } = await listen(t, { '/': Status });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  await connection.until('"OK"');
  connection.received = '';
  const isClean = shutdown(server);
  setTimeout(() => connection.send(requestBytes('GET /')), 100);
  const [answer] = soundAnswers(await connection.untilClosed(), [200]);
  assert.equal(answer!.headers.get('connection'), 'close');
  assert.equal(await isClean, true);
});

test('pipelined requests that wait for their answers when the stop begins all get them, and the last says Connection: close', LIMIT, async (t) => {
  const { port, server } = await listen(t, { '/': Late });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /').repeat(3));
  await once(server, 'request');
  const isClean = shutdown(server);
  const answers = soundAnswers(await connection.untilClosed(), [200, 200, 200]);
  assert.equal(answers[2]!.headers.get('connection'), 'close');
  assert.equal(await isClean, true);
});

test('a request that arrives while the process has no time to read it is not lost, even when the grace is over by then', LIMIT, async (t) => {
  const { port, server } = await listen(t, { '/': Status });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  await connection.until('"OK"');
  connection.received = '';
  connection.send(requestBytes('GET /'));
  const isClean = shutdown(server);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  soundAnswers(await connection.untilClosed(), [200]);
  assert.equal(await isClean, true);
});

test('pipelined answers to a client that is slow to read are not lost', LIMIT, async (t) => {
  const { port, server } = await listen(t, { '/': Large });
  const idle = await Connection.open(t, port);
  const connection = await Connection.open(t, port);
  connection.socket.pause();
  connection.send(requestBytes('GET /').repeat(3));
  await once(server, 'request');
  const isClean = shutdown(server);
  await idle.closed;
  connection.socket.resume();
  soundAnswers(await connection.untilClosed(), [200, 200, 200]);
  assert.equal(await isClean, true);
});
