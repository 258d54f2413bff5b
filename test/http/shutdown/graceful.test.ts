import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AccessLogEntry, RequestHandler, shutdown } from '../../../src/http/index.ts';
import { Connection, JSON_TYPE, requestBytes } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { eventually, within } from '../support/within.ts';

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

test('lets more than ten requests listen to shutdownSignal without a warning', async (t) => {
  class Listens extends RequestHandler {
    override doGet() {
      this.shutdownSignal.addEventListener('abort', () => {});
      return 'OK';
    }
  }
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const { url } = await listen(t, { '/': Listens });
  for (let count = 0; count < 11; count++) assert.equal(await (await fetch(url)).text(), '"OK"');
  assert.deepEqual(warnings, []);
});

test('sends Connection: close with every response once the listener has closed', async (t) => {
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
    const [response] = expectResponses(await connection.untilClosed(), [bytes[index]![1]]);
    assert.equal(response!.headers.get('connection'), 'close');
  }
  assert.equal(await within('the stop was over', isClean), true);
});

test("accepts connections from the kernel's backlog before closing the listener", async (t) => {
  const { port, server } = await listen(t, { '/': Status });
  const sockets = Array.from({ length: 50 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  // The sockets connect in the next tick, before the event loop polls.
  await new Promise<void>((resolve) => process.nextTick(resolve));
  const isClean = shutdown(server);
  const responses = sockets.map(async (socket) => {
    socket.end(requestBytes('GET /', ['Connection: close']));
    return (await text(socket)).slice(0, 12);
  });
  const received = await within('all responses arrived', Promise.all(responses));
  assert.deepEqual(new Set(received), new Set(['HTTP/1.1 200']));
  assert.equal(await within('the stop was over', isClean), true);
});

test('serves one more request on a connection that is idle when shutdown starts', async (t) => {
  const { port, server } = await listen(t, { '/': Status });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  await connection.until('"OK"');
  connection.received = '';
  const isClean = shutdown(server);
  setTimeout(() => connection.send(requestBytes('GET /')), 100);
  const [response] = expectResponses(await connection.untilClosed(), [200]);
  assert.equal(response!.headers.get('connection'), 'close');
  assert.equal(await within('the stop was over', isClean), true);
});

test('completes all pending pipelined requests, the last with Connection: close', async (t) => {
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
  const responses = expectResponses(await connection.untilClosed(), [200, 200, 200]);
  assert.equal(responses[2]!.headers.get('connection'), 'close');
  assert.equal(await within('the stop was over', isClean), true);
});

test('serves a request that arrived while the event loop was blocked', async (t) => {
  const { port, server } = await listen(t, { '/': Status });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  await connection.until('"OK"');
  connection.received = '';
  connection.send(requestBytes('GET /'));
  const isClean = shutdown(server);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  expectResponses(await connection.untilClosed(), [200]);
  assert.equal(await within('the stop was over', isClean), true);
});

test('completes pipelined responses to a slow client during shutdown', async (t) => {
  const { port, server } = await listen(t, { '/': Large });
  const idle = await Connection.open(t, port);
  const connection = await Connection.open(t, port);
  connection.socket.pause();
  connection.send(requestBytes('GET /').repeat(3));
  await within('the server had the request', once(server, 'request'));
  const isClean = shutdown(server);
  await idle.untilClosed();
  connection.socket.resume();
  expectResponses(await connection.untilClosed(), [200, 200, 200]);
  assert.equal(await within('the stop was over', isClean), true);
});

test('responds 408 to a stalled upload during shutdown, then finishes', async (t) => {
  const { port, server } = await listen(t, { '/': Status }, { requestTimeout: 1 });
  const upload = await Connection.open(t, port);
  upload.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 8'], '"half'));
  await within('the server had the request', once(server, 'request'));
  const isClean = shutdown(server);
  expectResponses(await upload.untilClosed(), [408]);
  assert.equal(await within('the stop was over', isClean), true);
});

test('reports an unclean shutdown only if a response was incomplete', async (t) => {
  for (const [path, isClean] of [['/', true], ['/large', false]] as const) {
    const { port, server } = await listen(t, { '/': Status, '/large': Large });
    const connection = await Connection.open(t, port);
    if (!isClean) connection.socket.pause();
    connection.send(requestBytes(`GET ${path}`));
    await within('the server had the request', once(server, 'request'));
    if (isClean) await connection.until('"OK"');
    assert.equal(await within('the stop was over', shutdown(server, { timeout: 0.05 })), isClean, path);
  }
});

test('runs no method behind a request that is aborted when the timeout has passed', async (t) => {
  const log: string[] = [];
  class Slow extends RequestHandler {
    override async doGet() {
      log.push(this.path);
      await once(this.signal, 'abort');
    }
    override logRequest({ outcome }: AccessLogEntry) {
      log.push(`${this.path} ${outcome}`);
    }
  }
  const { port, server } = await listen(t, { '/first': Slow, '/second': Slow });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /first') + requestBytes('GET /second'));
  await eventually('the first request was in flight', () => log.length > 0);
  assert.equal(await within('the stop was over', shutdown(server, { timeout: 0.1 })), false);
  await connection.untilClosed();
  assert.deepEqual(log, ['/first', '/first aborted']);
});

/** Responds, and continues for some seconds. */
class Acknowledges extends RequestHandler {
  static done = 0;
  override async doPost() {
    this.sendJson('accepted');
    await sleep(this.query.get('seconds') === '0.6' ? 600 : 60_000, undefined, { ref: false });
    Acknowledges.done++;
  }
}

test('waits for a method that continues after its response', async (t) => {
  const { server, url } = await listen(t, { '/': Acknowledges });
  const response = await fetch(`${url}/?seconds=0.6`, { method: 'POST', headers: { connection: 'close' } });
  assert.equal(await response.json(), 'accepted');
  assert.equal(await within('the server has stopped', shutdown(server)), true);
  assert.equal(Acknowledges.done, 1);
});

test('reports an unclean shutdown if a method continues until the timeout', async (t) => {
  const { server, url } = await listen(t, { '/': Acknowledges });
  const response = await fetch(url, { method: 'POST', headers: { connection: 'close' } });
  assert.equal(await response.json(), 'accepted');
  assert.equal(await within('the server has stopped', shutdown(server, { timeout: 0.5 })), false);
});

test('does not wait for a method whose response was a timeout', async (t) => {
  class Hangs extends RequestHandler {
    override doGet() {
      return new Promise(() => {});
    }
  }
  const { server, url } = await listen(t, { '/': Hangs }, { handlerTimeout: 0.1 });
  assert.equal((await fetch(url)).status, 503);
  assert.equal(await within('the server has stopped', shutdown(server)), true);
});

test('does not wait for a method that waits for its signal after its stream has ended', async (t) => {
  class Events extends RequestHandler {
    override doGet() {
      const body = this.endHeaders();
      body.write('first\n');
      this.shutdownSignal.addEventListener('abort', () => body.end());
      return new Promise((resolve) => this.signal.addEventListener('abort', resolve));
    }
  }
  const { server, url } = await listen(t, { '/': Events });
  const response = await fetch(url);
  assert.equal(await within('the server has stopped', shutdown(server)), true);
  assert.equal(await response.text(), 'first\n');
});
