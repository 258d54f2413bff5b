import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { RequestHandler, shutdown } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { ServerProcess } from './server-process.ts';
import { eventually, within } from './waiting.ts';

const JSON_TYPE = 'Content-Type: application/json';

/** Resolves once a server that has been told to stop says so. */
async function untilDraining(t: TestContext, port: number): Promise<void> {
  const health = requestBytes('GET /health', ['Connection: close']);
  await eventually('/health answered 503', async () => (await sendRaw(t, port, health)).startsWith('HTTP/1.1 503 '));
}

/** Resolves once nothing listens on the port. */
async function untilRefused(port: number): Promise<void> {
  await eventually('the listener closed', async () => {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)));
    socket.destroy();
    return !isOpen;
  });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal}: what is in flight is answered, and the process exits with 0`, async (t) => {
    const server = new ServerProcess(t);
    const port = await server.port();
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 2', 'Expect: 100-continue']));
    await connection.until('100 Continue');
    server.child.kill(signal);
    await untilRefused(port);
    connection.send('[]');
    assert.match(await connection.untilClosed(), /200 OK[^]*Connection: close[^]*\{"status":"OK","received":\[\]\}/);
    assert.equal(await server.ended(), 0);
  });
}

test('during the delay of a stop draining is true, and all else goes on as usual, on new connections and old ones', async (t) => {
  const server = new ServerProcess(t, { shutdown: { delay: 3600 } });
  const port = await server.port();
  const old = await Connection.open(t, port);
  old.send(requestBytes('GET /health'));
  await old.until('}');
  soundAnswers(old.received, [200]);
  server.child.kill('SIGTERM');
  await untilDraining(t, port);
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
  test(`${second} after ${first} exits at once with 1`, async (t) => {
    const server = new ServerProcess(t, { shutdown: { delay: 3600, timeout: 3600 } });
    const port = await server.port();
    const slow = await Connection.open(t, port);
    slow.send(requestBytes('GET /slow'));
    server.child.kill(first);
    await untilDraining(t, port);
    server.child.kill(second);
    assert.equal(await server.ended(), 1);
    assert.equal(await slow.untilClosed(), '');
  });
}

for (const timeout of [0, 1]) {
  test(`what is not answered within a timeout of ${timeout} seconds is cut, and the exit code is 1`, async (t) => {
    const server = new ServerProcess(t, { shutdown: { timeout } });
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

test('an upload that never ends is answered 408 while the server is stopping, and the exit code is 0', async (t) => {
  const server = new ServerProcess(t, { requestTimeout: 1 });
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

class Large extends RequestHandler {
  override doGet() {
    return 'x'.repeat(10_000_000);
  }
}

test('every answer after the listener has closed says Connection: close, errors and what node refuses too', async (t) => {
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
  const isClean = shutdown(server);
  await eventually('the listener was closed', () => !server.listening);
  connections.forEach((connection, index) => connection.send(bytes[index]![0]));
  for (const [index, connection] of connections.entries()) {
    const [answer] = soundAnswers(await connection.untilClosed(), [bytes[index]![1]]);
    assert.equal(answer!.headers.get('connection'), 'close');
  }
  assert.equal(await within('the stop was over', isClean), true);
});

test('connections that the kernel has accepted, and the server not yet, are let in before the listener closes', async (t) => {
  const { port, server } = await listen(t, { '/': Status });
  const sockets = Array.from({ length: 50 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  // The sockets connect in the next tick, before anything is polled.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const isClean = shutdown(server);
  const answers = sockets.map(async (socket) => {
    socket.end(requestBytes('GET /', ['Connection: close']));
    return (await text(socket)).slice(0, 12);
  });
  const received = await within('all were answered', Promise.all(answers));
  assert.deepEqual(new Set(received), new Set(['HTTP/1.1 200']));
  assert.equal(await within('the stop was over', isClean), true);
});

test('a connection that is idle when the stop begins serves one more request, which may still be on its way', async (t) => {
  const { port, server } = await listen(t, { '/': Status });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  await connection.until('"OK"');
  connection.received = '';
  const isClean = shutdown(server);
  setTimeout(() => connection.send(requestBytes('GET /')), 100);
  const [answer] = soundAnswers(await connection.untilClosed(), [200]);
  assert.equal(answer!.headers.get('connection'), 'close');
  assert.equal(await within('the stop was over', isClean), true);
});

test('pipelined requests that wait for their answers when the stop begins all get them, and the last says Connection: close', async (t) => {
  class Late extends RequestHandler {
    override async doGet() {
      await eventually('the listener was closed', () => !server.listening);
      return 'late';
    }
  }
  const { port, server } = await listen(t, { '/': Late });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /').repeat(3));
  await within('the server had the request', once(server, 'request'));
  const isClean = shutdown(server);
  const answers = soundAnswers(await connection.untilClosed(), [200, 200, 200]);
  assert.equal(answers[2]!.headers.get('connection'), 'close');
  assert.equal(await within('the stop was over', isClean), true);
});

test('a request that arrives while the process has no time to read it is not lost, even when the grace is over by then', async (t) => {
  const { port, server } = await listen(t, { '/': Status });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  await connection.until('"OK"');
  connection.received = '';
  connection.send(requestBytes('GET /'));
  const isClean = shutdown(server);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  soundAnswers(await connection.untilClosed(), [200]);
  assert.equal(await within('the stop was over', isClean), true);
});

test('pipelined answers to a client that is slow to read are not lost', async (t) => {
  const { port, server } = await listen(t, { '/': Large });
  const idle = await Connection.open(t, port);
  const connection = await Connection.open(t, port);
  connection.socket.pause();
  connection.send(requestBytes('GET /').repeat(3));
  await within('the server had the request', once(server, 'request'));
  const isClean = shutdown(server);
  await idle.untilClosed();
  connection.socket.resume();
  soundAnswers(await connection.untilClosed(), [200, 200, 200]);
  assert.equal(await within('the stop was over', isClean), true);
});
