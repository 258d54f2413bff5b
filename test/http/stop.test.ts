import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { RequestHandler, shutdown } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes } from './connection.ts';
import { eventually, within } from '../waiting.ts';

const JSON_TYPE = 'Content-Type: application/json';

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

test(
  'every answer after the listener has closed says Connection: close, errors and what node refuses too',
  async (t) => {
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
  },
);

test(
  'connections that the kernel has accepted, and the server not yet, are let in before the listener closes',
  async (t) => {
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
  },
);

test(
  'a connection that is idle when the stop begins serves one more request, which may still be on its way',
  async (t) => {
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
  },
);

test(
  'pipelined requests that wait for their answers when the stop begins all get them, and the last says ' +
    'Connection: close',
  async (t) => {
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
  },
);

test(
  'a request that arrives while the process has no time to read it is not lost, even when the grace is over by then',
  async (t) => {
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
  },
);

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

test('an upload that never ends is answered 408 while the server is stopping, and then the stop is over', async (t) => {
  const { port, server } = await listen(t, { '/': Status }, { requestTimeout: 1 });
  const upload = await Connection.open(t, port);
  upload.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 8'], '"half'));
  await within('the server had the request', once(server, 'request'));
  const isClean = shutdown(server);
  soundAnswers(await upload.untilClosed(), [408]);
  assert.equal(await within('the stop was over', isClean), true);
});

test(
  'when the time is up, an idle connection is closed, and that is no cut; an answer that is not all read is one',
  async (t) => {
    for (const [path, isClean] of [['/', true], ['/large', false]] as const) {
      const { port, server } = await listen(t, { '/': Status, '/large': Large });
      const connection = await Connection.open(t, port);
      if (!isClean) connection.socket.pause();
      connection.send(requestBytes(`GET ${path}`));
      await within('the server had the request', once(server, 'request'));
      if (isClean) await connection.until('"OK"');
      assert.equal(await within('the stop was over', shutdown(server, { timeout: 0.05 })), isClean, path);
    }
  },
);
