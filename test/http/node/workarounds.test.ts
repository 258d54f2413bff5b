import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { type AddressInfo, type Socket, connect, createServer as createListener } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Connection, requestBytes } from '../support/connection.ts';
import { within } from '../support/within.ts';

const execute = promisify(execFile);

// These tests use Node's own server. If one fails, Node has changed, and its workaround may be removed.

/** Starts a server on a free port, and opens a connection to it. */
async function connectTo(t: TestContext, server: Server): Promise<Connection> {
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return Connection.open(t, (server.address() as AddressInfo).port);
}

function respond(request: IncomingMessage, response: ServerResponse): void {
  response.end(`response to ${request.url}`);
}

test('replaceDestroySoon: Node destroys the socket while the client is still sending', async (t) => {
  const server = createServer(respond);
  const destroyed = once(server, 'connection').then(([socket]) => once(socket as Socket, 'close'));
  const client = await connectTo(t, server);
  client.send(requestBytes('POST /', ['Connection: close', 'Content-Length: 1000']));
  await within('Node destroyed the socket', destroyed);
  assert.equal(client.socket.writableEnded, false);
});

test('pauseReading: Node resumes a paused socket', async (t) => {
  const server = createServer((request, response) => {
    request.socket.pause();
    respond(request, response);
  });
  const client = await connectTo(t, server);
  client.send(requestBytes('GET /first'));
  await client.until('response to /first');
  client.send(requestBytes('GET /second'));
  await client.until('response to /second');
});

test('discardInput: Node parses what follows invalid bytes', async (t) => {
  const server = createServer();
  const client = await connectTo(t, server);
  for (let time = 0; time < 2; time++) {
    const failed = once(server, 'clientError');
    client.send('invalid');
    await within('Node emitted clientError', failed);
  }
});

test('resetConnection: resetAndDestroy() throws for a Unix socket', async (t) => {
  const path = process.platform === 'win32' ? `\\\\.\\pipe\\${process.pid}` : join(tmpdir(), `${process.pid}.socket`);
  const listener = createListener();
  t.after(() => listener.close());
  await once(listener.listen(path), 'listening');
  const socket = connect(path);
  t.after(() => socket.destroy());
  await within('the socket connected', once(socket, 'connect'));
  assert.throws(() => socket.resetAndDestroy(), { code: 'ERR_INVALID_HANDLE_TYPE' });
});

test('resetConnection: Node does not close a socket that is reset while it is ending', async () => {
  // In its own process, because the socket never closes, and keeps the process running.
  const script = `
    const { connect, createServer } = require('node:net');
    const listener = createServer((socket) => {
      socket.on('error', ({ code }) => console.log(code)).on('close', () => console.log('closed'));
      socket.end().resetAndDestroy();
    });
    listener.listen(0, '127.0.0.1', () => {
      const client = connect(listener.address().port, '127.0.0.1').resume();
      client.on('close', () => setImmediate(() => process.exit()));
    });`;
  const { stdout } = await execute(process.execPath, ['--eval', script], { timeout: 30_000 });
  assert.equal(stdout, 'EINVAL\n');
});

test('continueOnFirstRead: Node sends 100 (Continue) although the body is not read', async (t) => {
  const client = await connectTo(t, createServer(respond));
  client.send(requestBytes('POST /', ['Expect: 100-continue', 'Content-Length: 1']));
  assert.match(await client.until('response to /'), /^HTTP\/1\.1 100 /);
});

test('closeListener: close() closes idle connections', async (t) => {
  const server = createServer(respond);
  const client = await connectTo(t, server);
  client.send(requestBytes('GET /'));
  await client.until('response to /');
  server.close();
  await client.untilClosed();
});

test('lastResponseOn, emptyRequest: Node creates neither for invalid bytes', async (t) => {
  const server = createServer();
  const failed = once(server, 'clientError');
  const client = await connectTo(t, server);
  client.send('invalid');
  const parameters = await within('Node emitted clientError', failed);
  assert.deepEqual(parameters.map((value: object) => value.constructor.name), ['Error', 'Socket']);
});

test('withoutUpgrade: Node loses a request that is pipelined behind an Upgrade', async (t) => {
  const client = await connectTo(t, createServer(respond));
  client.send(requestBytes('GET /first', ['Connection: Upgrade', 'Upgrade: h2c']) + requestBytes('GET /second'));
  await client.until('response to /first');
  client.send(requestBytes('GET /third'));
  assert.doesNotMatch(await client.until('response to /third'), /second/);
});

test('startHeaderTimeout: Node starts the timeout for headers in listen()', async (t) => {
  const timeouts = { headersTimeout: 100, requestTimeout: 0, connectionsCheckingInterval: 50 };
  const [unheard, listening] = [createServer(timeouts), createServer(timeouts)];
  const listener = createListener((socket) => unheard.emit('connection', socket)).listen(0, '127.0.0.1');
  t.after(() => listener.close());
  await once(listener, 'listening');
  const client = await Connection.open(t, (listener.address() as AddressInfo).port);
  client.send('GET /');
  for (let time = 0; time < 2; time++) {
    const other = await connectTo(t, listening);
    other.send('GET /');
    await other.untilClosed();
    listening.close();
  }
  assert.equal(client.received, '');
});
