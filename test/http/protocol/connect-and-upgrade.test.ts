import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes, sendRaw } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectClosingError, expectResponses } from '../support/response.ts';
import { within } from '../support/within.ts';

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

test('serves an Upgrade request as any other and closes the connection', async (t) => {
  const { port } = await listen(t, routes);
  // Node drops what follows in the packet.
  for (const protocol of ['websocket', 'h2c', 'TLS/1.0']) {
    const upgrade = requestBytes('GET /', ['Connection: Upgrade', `Upgrade: ${protocol}`]);
    expectResponses(await sendRaw(t, port, upgrade), [200]);
    expectResponses(await sendRaw(t, port, upgrade + requestBytes('GET /')), [200]);
  }
});

test('ignores requests that follow a pending Upgrade request', async (t) => {
  const events = new EventEmitter();
  let posts = 0;
  class Slow extends RequestHandler {
    override async doGet() {
      await once(events, 'release');
      return 'slow';
    }
    override doPost() {
      return ++posts;
    }
  }
  const { port, server } = await listen(t, { '/': Slow });
  const connection = await Connection.open(t, port);
  for (const bytes of [requestBytes('GET /', ['Connection: Upgrade', 'Upgrade: websocket']), requestBytes('POST /')]) {
    const arrived = within('the request arrived', once(server, 'request'));
    connection.send(bytes);
    await arrived;
  }
  events.emit('release');
  expectResponses(await connection.untilClosed(), [200]);
  assert.equal(posts, 0);
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
