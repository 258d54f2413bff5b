import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { eventually, untilNoConnections, within } from '../support/within.ts';

test('limits the memory of a pipelined flood, and releases all of it', async (t) => {
  let constructed = 0;
  let running = 0;
  class Poll extends RequestHandler {
    constructor(...parameters: ConstructorParameters<typeof RequestHandler>) {
      super(...parameters);
      constructed++;
    }
    override async doGet() {
      running++;
      await new Promise((resolve) => this.signal.addEventListener('abort', resolve));
      running--;
    }
  }
  const { port, server } = await listen(t, { '/': Poll }, { handlerTimeout: 0 });
  const sockets: Socket[] = [];
  server.on('connection', (socket) => sockets.push(socket));
  let received = 0;
  server.on('request', () => received++);
  const clients = await Promise.all(Array.from({ length: 40 }, () => Connection.open(t, port)));
  for (const client of clients) client.send(requestBytes('GET /').repeat(5_000));
  await eventually('every connection is busy', () => running === 40);
  await eventually('the server has stopped reading', () => sockets.every((socket) => socket.isPaused()));
  // One read of the socket, of 64 KiB, comes on top of the queue.
  assert.ok(received < 40 * 3_000, `${received} requests were parsed`);
  assert.equal(constructed, 40);
  for (const client of clients) client.socket.resetAndDestroy();
  // A server that does not read learns of the disconnect from the idle time.
  for (const socket of sockets) server.emit('timeout', socket);
  await untilNoConnections(server);
  await eventually('every handler has ended', () => running === 0);
  assert.equal(constructed, 40);
});

test('releases 100 long polls on one connection when the client resets it', async (t) => {
  let running = 0;
  let called = 0;
  class Poll extends RequestHandler {
    override async doGet() {
      called++;
      running++;
      await once(this.signal, 'abort');
      running--;
    }
  }
  const { port, server } = await listen(t, { '/': Poll }, { handlerTimeout: 0 });
  const connection = await Connection.open(t, port);
  const accepted = once(server, 'request');
  connection.send(requestBytes('GET /').repeat(100));
  await within('the first request', accepted);
  connection.socket.resetAndDestroy();
  await untilNoConnections(server);
  await eventually('the handler has ended', () => running === 0);
  assert.equal(called, 1);
});
