import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, JSON_TYPE, requestBytes, sendRaw } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectClosingError, expectResponses, parseResponses } from '../support/response.ts';
import { eventually, within } from '../support/within.ts';

test('responds 405 to CONNECT and closes the connection', async (t) => {
  const { port } = await listen(t, routes);
  const received = await sendRaw(t, port, 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n');
  expectClosingError(received, 405);
  assert.match(received, /\r\nAllow: /);
});

test('survives clients that reset the connection, including during CONNECT', async (t) => {
  const { port, server } = await listen(t, routes);
  for (const bytes of [
    'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
    requestBytes('GET /'),
    requestBytes('GET /later'),
    'garbage\r\n\r\n',
    'GET',
  ]) {
    for (let times = 0; times < 5; times++) {
      const connected = once(server, 'connection');
      const { socket } = await Connection.open(t, port);
      const [served] = await connected;
      const closed = new Promise((resolve) => served.once('close', resolve));
      socket.write(bytes, () => socket.resetAndDestroy());
      await closed;
    }
  }
  expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
});

for (const protocol of ['websocket', 'h2c', 'TLS/1.0']) {
  test(`serves an Upgrade request to ${protocol} and the request pipelined behind it`, async (t) => {
    const { port } = await listen(t, routes);
    const upgrade = ['Connection: Upgrade', `Upgrade: ${protocol}`];
    const connection = await Connection.open(t, port);
    connection.send(
      requestBytes('GET /', upgrade) +
        requestBytes('GET /', upgrade) +
        requestBytes('GET /'),
    );
    await connection.until(/(?:HTTP\/1\.1 200 [^]*){3}\}$/);
    connection.send(requestBytes('GET /', ['Connection: close']));
    expectResponses(await connection.untilClosed(), [200, 200, 200, 200]);
  });
}

test('serves an Upgrade request with a body', async (t) => {
  const { port } = await listen(t, routes);
  const headers = ['Connection: Upgrade', 'Upgrade: h2c', 'Content-Type: application/json', 'Content-Length: 2'];
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', headers, '{}'));
  expectResponses(await connection.until(/\}$/), [200]);
});

/** An Upgrade request with a body, and the last request of its connection. */
const upgradeWithBody =
  requestBytes('POST /', ['Connection: Upgrade', 'Upgrade: h2c', JSON_TYPE, 'Content-Length: 2'], '{}') +
  requestBytes('GET /', ['Connection: close']);

test('serves what follows an Upgrade request with a body, or says Connection: close', async (t) => {
  const { port } = await listen(t, routes);
  const received = await sendRaw(t, port, upgradeWithBody);
  const [response] = parseResponses(received);
  expectResponses(received, response!.headers.get('connection') === 'close' ? [200] : [200, 200]);
});

// Later versions of Node read the body of an Upgrade request, and lose what is pipelined behind it.
const losesNext = Number.parseInt(process.versions.node) >= 25;
test('keeps the connection after an Upgrade request with a body', { skip: losesNext }, async (t) => {
  const { port } = await listen(t, routes);
  expectResponses(await sendRaw(t, port, upgradeWithBody), [200, 200]);
});

test('adds no listeners to a connection with each Upgrade request', async (t) => {
  const { port, server } = await listen(t, routes);
  const connected = once(server, 'connection');
  const connection = await Connection.open(t, port);
  const [socket] = await connected;
  const counts: number[] = [];
  for (let times = 0; times < 3; times++) {
    connection.received = '';
    connection.send(requestBytes('GET /', ['Connection: Upgrade', 'Upgrade: h2c']));
    await connection.until(/\}$/);
    await new Promise(setImmediate);
    counts.push(socket.eventNames().reduce((sum: number, name: string) => sum + socket.listenerCount(name), 0));
  }
  assert.equal(counts[2], counts[0], String(counts));
});

test('serves an Upgrade request after the response to an earlier request', async (t) => {
  const events = new EventEmitter();
  class Slow extends RequestHandler {
    override async doGet() {
      await once(events, 'release');
      return 'slow';
    }
    override doPost() {
      return 'posted';
    }
  }
  const { port, server } = await listen(t, { '/': Slow });
  const arrived = within('the first request arrived', once(server, 'request'));
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /') + requestBytes('POST /', ['Connection: Upgrade', 'Upgrade: h2c']));
  await arrived;
  await new Promise(setImmediate);
  events.emit('release');
  await connection.until('"posted"');
  assert.match(connection.received, /"slow"HTTP/);
});

test("leaves Upgrade requests to an owner's own listener", async (t) => {
  const { port, server } = await listen(t, routes);
  server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
  const received = await sendRaw(t, port, requestBytes('GET /', ['Connection: Upgrade', 'Upgrade: echo']));
  assert.match(received, /^HTTP\/1.1 101 /);
});

class Large extends RequestHandler {
  override doGet() {
    return 'x'.repeat(50_000_000);
  }
  override logError() {}
}

class Download extends RequestHandler {
  override doGet() {
    const block = 'd'.repeat(100_000);
    const source = function* () {
      yield '"';
      for (let sent = 0; sent < 199; sent++) yield block;
      yield block.slice(2) + '"';
    };
    return pipeline(source, this.endHeaders());
  }
}

const quiet = new EventEmitter();

class Quiet extends RequestHandler {
  override async doGet() {
    this.endHeaders().write('begun');
    await once(this.signal, 'abort');
    quiet.emit('disconnected');
  }
}

const slowRoutes = { '/large': Large, '/download': Download, '/quiet': Quiet };
/** In seconds. Shorter timeouts can expire on a busy machine before the input is read. */
const short = { requestTimeout: 1, handlerTimeout: 1 };

const tunnel = requestBytes('CONNECT example.com:443');

test('completes a large response despite a pipelined CONNECT', async (t) => {
  const { port } = await listen(t, slowRoutes, short);
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /download') + tunnel);
  const received = await connection.untilClosed();
  const [response] = expectResponses(received, [200, 405]);
  assert.equal(response!.body!.length, 20_000_000);
});

test('disconnects a client that never reads despite a pipelined CONNECT', async (t) => {
  const { port, server } = await listen(t, slowRoutes, short);
  const connected = once(server, 'connection');
  const connection = await Connection.open(t, port);
  connection.socket.pause();
  connection.send(requestBytes('GET /large') + tunnel);
  const [socket] = await within('the server had the connection', connected);
  await eventually('the idle time is limited', () => socket.timeout === 60_000);
  server.emit('timeout', socket);
  await within('the server closed the connection', once(socket, 'close'));
});

test('detects a disconnect after a pipelined CONNECT while a stream is idle', async (t) => {
  const { port } = await listen(t, slowRoutes, short);
  const disconnected = within('the signal aborted', once(quiet, 'disconnected'));
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /quiet') + tunnel);
  await connection.until('begun');
  connection.socket.end();
  await disconnected;
});

test('keeps the connection after an Upgrade header without Connection: Upgrade', async (t) => {
  const { port } = await listen(t, routes);
  const bytes = requestBytes('GET /', ['Upgrade: h2c']) + requestBytes('GET /', ['Connection: close']);
  expectResponses(await sendRaw(t, port, bytes), [200, 200]);
});

for (const queued of [0, 98, 99, 100, 101]) {
  test(`serves an Upgrade request behind ${queued} queued ones, and what follows`, async (t) => {
    const events = new EventEmitter();
    class Slow extends RequestHandler {
      override async doGet() {
        await once(events, 'release');
        return 'slow';
      }
    }
    const { port, server } = await listen(t, { '/slow': Slow, ...routes });
    let received = 0;
    server.on('request', () => received++);
    const connection = await Connection.open(t, port);
    const upgrade = requestBytes('GET /', ['Connection: Upgrade', 'Upgrade: h2c']);
    connection.send(requestBytes('GET /slow') + requestBytes('GET /').repeat(queued) + upgrade);
    await eventually('the requests arrived', () => received === queued + 1);
    connection.send(requestBytes('GET /') + requestBytes('GET /', ['Connection: close']));
    events.emit('release');
    expectResponses(await connection.untilClosed(), Array.from({ length: queued + 4 }, () => 200));
  });
}

test('sends the whole of a large stream while an Upgrade request is queued', async (t) => {
  const size = 20_000_000;
  class Large extends RequestHandler {
    override doGet() {
      return pipeline(async function* () {
        for (let sent = 0; sent < size; sent += 100_000) yield Buffer.alloc(100_000);
      }, this.endHeaders());
    }
  }
  const { port, server } = await listen(t, { '/large': Large, ...routes });
  const requested = once(server, 'request');
  const connection = await Connection.open(t, port);
  connection.socket.pause();
  const upgrade = requestBytes('GET /', ['Connection: Upgrade, close', 'Upgrade: h2c']);
  connection.send(requestBytes('GET /large') + upgrade);
  const [{ socket }] = await within('the request', requested);
  await eventually('the server waits for the client', () => socket.writableLength > 0);
  connection.socket.resume();
  const received = await connection.untilClosed();
  assert.ok(received.length > size, `${received.length} characters came`);
  assert.equal(received.match(/HTTP\/1\.1 200/g)?.length, 2);
});
