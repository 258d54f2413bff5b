import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, type Socket, createServer as createListener } from 'node:net';
import { describe, test, type TestContext } from 'node:test';
import { RequestHandler, createServer } from '../../../src/http/index.ts';
import { Connection, requestBytes } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { eventually, within } from '../support/within.ts';

class Echo extends RequestHandler {
  override doPost() {
    return this.readJson();
  }
  override doPut() {
    return 'put, unread';
  }
}

/** Waits forever before reading the body. */
class Waits extends RequestHandler {
  override doPost() {
    return new Promise(() => {});
  }
}

class Large extends RequestHandler {
  override doGet() {
    return 'x'.repeat(50_000_000);
  }
  override doPost() {
    const body = this.endHeaders();
    body.write('x'.repeat(50_000_000));
    return once(body, 'drain', { signal: this.signal });
  }
  override doPut() {
    const body = this.endHeaders();
    body.write('x'.repeat(50_000_000));
    body.write('last');
  }
  override logError() {}
}

class Some extends RequestHandler {
  override doGet() {
    return 'x'.repeat(5_000);
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

class Pending extends RequestHandler {
  override async doGet() {
    await once(quiet, 'release');
    return 'pending';
  }
}

const routes = {
  '/': Echo,
  '/waits': Waits,
  '/large': Large,
  '/some': Some,
  '/quiet': Quiet,
  '/pending': Pending,
};
/** In seconds. Shorter timeouts can expire on a busy machine before the input is read. */
const short = { requestTimeout: 1, handlerTimeout: 1 };

/** Sends one byte every 5 ms until the connection closes, repeating the last byte. */
function trickle(t: TestContext, connection: Connection, bytes: string): void {
  let at = 0;
  const timer = setInterval(() => connection.send(bytes[Math.min(at++, bytes.length - 1)]!), 5);
  t.after(() => clearInterval(timer));
}

describe('timeouts', { concurrency: true }, () => {
  test('closes a silent connection without a response', async (t) => {
    const { port } = await listen(t, routes, short);
    const connection = await Connection.open(t, port);
    assert.equal(await connection.untilClosed(), '');
  });

  for (const head of ['G', 'GET / HTTP/1.1\r\n', 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ']) {
    test(`responds 408 to headers that stall after ${head.length} bytes`, async (t) => {
      const { port } = await listen(t, routes, short);
      const connection = await Connection.open(t, port);
      connection.send(head);
      const [response] = expectResponses(await connection.untilClosed(), [408]);
      assert.equal(response!.headers.get('connection'), 'close');
    });
  }

  test('responds 408 to headers sent one byte at a time', async (t) => {
    const { port } = await listen(t, routes, short);
    const connection = await Connection.open(t, port);
    trickle(t, connection, 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a');
    expectResponses(await connection.untilClosed(), [408]);
  });

  for (const [bytes, status] of [['', undefined], ['GET / HT', 408]] as const) {
    test(`closes a connection of another listener that stalls after ${bytes.length} bytes`, async (t) => {
      const server = createServer(routes, short);
      const listener = createListener((socket) => server.emit('connection', socket)).listen(0, '127.0.0.1');
      t.after(() => listener.close());
      await once(listener, 'listening');
      const connection = await Connection.open(t, (listener.address() as AddressInfo).port);
      connection.send(bytes);
      expectResponses(await connection.untilClosed(), status ? [status] : []);
    });
  }

  test('applies the header timeout to every request on a connection', async (t) => {
    const { port } = await listen(t, routes, short);
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('PUT /'));
    await connection.until('unread');
    trickle(t, connection, 'PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a');
    expectResponses(await connection.untilClosed(), [200, 408]);
  });

  const unfinished: Record<string, [framing: string, start: string]> = {
    'never begins': ['Content-Length: 1000', ''],
    'stops': ['Content-Length: 1000', '['],
    'stops after a chunk': ['Transfer-Encoding: chunked', '1\r\n[\r\n'],
  };
  for (const [how, [framing, start]] of Object.entries(unfinished)) {
    test(`responds 408 to a body that ${how}, whichever timeout fires first`, async (t) => {
      const origin = 'https://app.example.com';
      const cases = [['/', 0], ['/', 0.3], ['/', 30], ['/waits', 0.3]] as const;
      await Promise.all(cases.map(async ([path, handlerTimeout]) => {
        const { port } = await listen(t, routes, {
          requestTimeout: 0.6,
          handlerTimeout,
          cors: { origins: [origin] },
        });
        const connection = await Connection.open(t, port);
        const headers = ['Content-Type: application/json', framing, `Origin: ${origin}`];
        connection.send(requestBytes(`POST ${path}`, headers, start));
        // The server keeps reading and discards the remaining chunks for a while.
        const [response] = expectResponses(await connection.until(/\}$/), [408], origin);
        assert.equal(response!.headers.get('connection'), 'close');
      }));
    });
  }

  test('completes a stream that is read slowly, although the body of the request is late', async (t) => {
    const { port } = await listen(t, routes, short);
    const reader = await Connection.open(t, port);
    reader.send(requestBytes('PUT /large', ['Content-Length: 10'], '['));
    await reader.until('HTTP/1.1 200');
    reader.socket.pause();
    // When this body is late, the other one is too.
    const other = await Connection.open(t, port);
    other.send(requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 10'], '['));
    await other.until('HTTP/1.1 408');
    reader.socket.resume();
    assert.match((await reader.untilClosed()).slice(-30), /last\r\n0\r\n\r\n$/);
  });

  test("sets headersTimeout to requestTimeout, even above Node's default of 60 seconds", async (t) => {
    const { server } = await listen(t, routes, { requestTimeout: 100 });
    assert.equal(server.headersTimeout, 100_000);
  });

  test('responds 408 to a body sent one byte at a time', async (t) => {
    const { port } = await listen(t, routes, { ...short, handlerTimeout: 30 });
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 1000000'], '"'));
    trickle(t, connection, 'a');
    expectResponses(await connection.untilClosed(), [408]);
  });

  test('closes the connection if a handler stops reading a body that never ends', async (t) => {
    class Stops extends RequestHandler {
      override async doPost() {
        const body = this.endHeaders();
        for await (const _ of this.request) break;
        body.write('done');
      }
    }
    const { port, server } = await listen(t, { '/': Stops }, short);
    // Node must not close the connection as an idle one.
    server.keepAliveTimeout = 0;
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('POST /', ['Content-Length: 100'], 'a'));
    expectResponses(await connection.untilClosed(), [200]);
  });

  test('applies the keep-alive timeout after a body that arrives after the response', async (t) => {
    const { server, port } = await listen(t, { '/': Echo });
    server.keepAliveTimeout = 50;
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('PUT /', ['Content-Length: 8'], 'half'));
    await connection.until('unread');
    connection.send('half');
    await connection.untilClosed();
  });

  test('closes the connection if an unread body never ends', async (t) => {
    const { port } = await listen(t, routes, short);
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('PUT /', ['Content-Length: 1000000'], 'a'));
    trickle(t, connection, 'a');
    const received = await connection.untilClosed();
    assert.match(received, /^HTTP\/1\.1 200 /);
    expectResponses(received, received.includes(' 408 ') ? [200, 408] : [200]);
  });
});

/** Ends the idle time of a connection once the server limits it, and waits for the connection to close. */
async function endIdleTime(server: Server, socket: Socket): Promise<void> {
  await eventually('the idle time is limited', () => socket.timeout === 60_000);
  server.emit('timeout', socket);
  await within('the server closed the connection', once(socket, 'close'));
}

for (const [method, kind] of [['GET', 'a value'], ['POST', 'a stream']]) {
  test(`disconnects a client that never reads ${kind}`, async (t) => {
    const { port, server } = await listen(t, routes, short);
    const connected = once(server, 'connection');
    const connection = await Connection.open(t, port);
    connection.socket.pause();
    connection.send(requestBytes(`${method} /large`));
    const [socket] = await within('the server had the connection', connected);
    await endIdleTime(server, socket);
    connection.socket.resume();
    assert.ok((await connection.untilClosed()).length < 50_000_000);
  });
}

test('releases pipelined requests behind an idle stream if the client disconnects', async (t) => {
  const { port, server } = await listen(t, routes, short);
  const connected = once(server, 'connection');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /quiet').repeat(100));
  const [socket] = await within('the server had the connection', connected);
  await connection.until('begun');
  connection.socket.destroy();
  await within('the server closed the connection', once(socket, 'close'));
});

const LONG = ['Content-Length: 5000000'];
const PART = 'x'.repeat(1_000_000);
for (const [what, bytes] of [
  ['its body is not read', requestBytes('GET /quiet', LONG, PART)],
  ['a body is queued behind it', requestBytes('GET /quiet') + requestBytes('POST /quiet', LONG, PART)],
  [
    'an Upgrade is queued behind it',
    requestBytes('GET /quiet') + requestBytes('GET /quiet', ['Connection: Upgrade', 'Upgrade: h2c']),
  ],
] as const) {
  test(`closes a silent stream after the idle timeout if ${what}`, async (t) => {
    const { port, server } = await listen(t, routes, short);
    const connected = once(server, 'connection');
    const connection = await Connection.open(t, port);
    connection.send(bytes);
    const [socket] = await within('the server had the connection', connected);
    await connection.until('begun');
    await eventually('nothing is read', () => !socket.readableFlowing);
    await endIdleTime(server, socket);
  });
}

test('keeps a connection whose handler reads the body slowly during its response', async (t) => {
  const events = new EventEmitter();
  class Slow extends RequestHandler {
    override async doPost() {
      const body = this.endHeaders();
      let length = 0;
      for await (const chunk of this.request as AsyncIterable<Buffer>) {
        if (length === 0) {
          body.write('begun');
          await once(events, 'idle');
        }
        length += chunk.length;
      }
      body.write(String(length));
    }
  }
  const { port, server } = await listen(t, { '/': Slow });
  const connected = once(server, 'connection');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', ['Content-Length: 500000', 'Connection: close'], 'x'.repeat(500_000)));
  const [socket] = await within('the server had the connection', connected);
  await connection.until('begun');
  await eventually('nothing is read', () => !socket.readableFlowing);
  server.emit('timeout', socket);
  await new Promise(setImmediate);
  events.emit('idle');
  assert.match(await connection.untilClosed(), /500000/);
});

test('does not time out a response because a later pipelined response is waiting', async (t) => {
  const { port, server } = await listen(t, routes, { requestTimeout: 0.3, handlerTimeout: 0 });
  const connected = once(server, 'connection');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /pending') + requestBytes('GET /some', ['Connection: close']));
  const [socket] = await connected;
  await within('the request arrived', once(server, 'request'));
  server.emit('timeout', socket);
  await new Promise(setImmediate);
  quiet.emit('release');
  const [response] = expectResponses(await connection.untilClosed(), [200, 200]);
  assert.equal(response!.body, '"pending"');
});

test('disconnects a client that sends requests but never reads', async (t) => {
  const { port, server } = await listen(t, routes, short);
  const connected = once(server, 'connection');
  const connection = await Connection.open(t, port);
  connection.socket.pause();
  const requests = requestBytes('GET /some').repeat(1_000);
  const more = (): void => void connection.socket.write(requests, (error) => !error && more());
  more();
  const [socket] = await within('the server had the connection', connected);
  await endIdleTime(server, socket);
});

test('delivers the 413 to a client that is still writing: requestTimeout of 115 days', async (t) => {
  const { port } = await listen(t, routes, { bodyLimit: 10, requestTimeout: 1e7 });
  const connection = await Connection.open(t, port);
  connection.socket.pause();
  connection.send(requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 20000000']));
  await new Promise((resolve) => connection.socket.write(Buffer.alloc(20_000_000), resolve));
  connection.socket.resume();
  expectResponses(await connection.untilClosed(), [413]);
});
