import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { IncomingMessage, type RequestListener, ServerResponse, createServer as createNodeServer } from 'node:http';
import { type AddressInfo, type Socket, connect } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { createServer, RequestHandler, shutdown } from '../../../src/http/index.ts';
import { requestBytes } from '../support/connection.ts';
import { within } from '../support/within.ts';

class Echo extends RequestHandler {
  static logged: string[] = [];
  override doGet() {
    return 'value';
  }
  override doPost() {
    return this.readJson();
  }
  override doPut() {
    const failing = new Readable({ read: () => void failing.destroy(new Error('The disk is gone')) });
    return pipeline(failing, this.endHeaders());
  }
  override logError(error: unknown) {
    Echo.logged.push((error as Error).message);
  }
}

/** Sends a request without a connection, as test tools and serverless adapters do. */
function inject(method: string, body = '') {
  const socket = Object.assign(new EventEmitter(), { destroy: () => void socket.emit('destroyed') });
  const request = new IncomingMessage(socket as unknown as Socket);
  const bodyHeaders = { 'content-type': 'application/json', 'content-length': String(body.length) };
  const headers = { host: 'test', ...(body && bodyHeaders) };
  const version = { httpVersion: '1.1', httpVersionMajor: 1, httpVersionMinor: 1 };
  Object.assign(request, { method, url: '/', headers, complete: true, ...version });
  // Like that of light-my-request, the request never emits 'close'.
  request.destroy = () => request;
  if (body) request.push(body);
  request.push(null);
  const response = new ServerResponse(request);
  let received = '';
  const sink = new Writable({
    write(chunk, _encoding, done) {
      received += chunk;
      done();
    },
  });
  response.assignSocket(sink as unknown as Socket);
  return { request, response, socket, received: () => received };
}

for (const [method, body] of [['GET', '"value"'], ['POST', '[1]']] as const) {
  test(`serves a synthetic ${method}`, async () => {
    const server = createServer({ '/': Echo });
    const { request, response, received } = inject(method, method === 'POST' ? body : '');
    server.emit('request', request, response);
    await within('the response', once(response, 'finish'));
    assert.match(received(), /^HTTP\/1\.1 200 /);
    assert.ok(received().endsWith(body));
  });
}

test('destroys the socket of a synthetic request if its stream fails', async () => {
  Echo.logged = [];
  const { request, response, socket } = inject('PUT');
  const destroyed = once(socket, 'destroyed');
  createServer({ '/': Echo }).emit('request', request, response);
  await within('the socket was destroyed', destroyed);
  assert.deepEqual(Echo.logged, ['The disk is gone']);
});

test('serves requests that another server passes on, and closes their connections', async (t) => {
  const server = createServer({ '/': Echo });
  const other = createNodeServer(server.listeners('request')[0] as RequestListener).listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  const closed = once(socket, 'close');
  socket.write(requestBytes('GET /'));
  const [head] = (await within('the response arrived', once(socket, 'data'))) as [Buffer];
  assert.match(head.toString(), /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(await shutdown(server), true);
  await within('the connection closed', closed);
});

test('ignores a request passed on by another server after a disconnect', async (t) => {
  const server = createServer({ '/': Echo });
  const passedOn = new EventEmitter();
  const other = createNodeServer((request, response) => {
    response.once('close', () => {
      server.emit('request', request, response);
      passedOn.emit('passed on');
    });
  }).listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const received = once(other, 'request');
  const late = once(passedOn, 'passed on');
  const socket = connect((other.address() as AddressInfo).port, '127.0.0.1');
  socket.write(requestBytes('GET /'));
  await within('the request', received);
  socket.destroy();
  await within('the request was passed on', late);
  assert.equal(await within('shutdown() waited for no connection', shutdown(server, { timeout: 60 })), true);
});
