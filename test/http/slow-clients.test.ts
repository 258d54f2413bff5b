import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { type TestContext, describe, test } from 'node:test';
import { RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes } from './connection.ts';
import { within } from '../waiting.ts';

class Echo extends RequestHandler {
  override doPost() {
    return this.readJson();
  }
  override doPut() {
    return 'put, unread';
  }
}

/** Does not look at the body before something else has come about, which never does. */
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
  override logError() {}
}

class Some extends RequestHandler {
  override doGet() {
    return 'x'.repeat(5_000);
  }
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
    quiet.emit('left');
  }
}

class Held extends RequestHandler {
  override async doGet() {
    await once(quiet, 'release');
    return 'held';
  }
}

const routes = {
  '/': Echo,
  '/waits': Waits,
  '/large': Large,
  '/some': Some,
  '/download': Download,
  '/quiet': Quiet,
  '/held': Held,
};
/** Seconds; on a busy machine, a shorter one is over before the server has read what was sent. */
const short = { requestTimeout: 0.5, handlerTimeout: 0.5 };

/** One byte every 5 milliseconds, for as long as the connection is open; the last one again and again. */
function trickle(t: TestContext, connection: Connection, bytes: string): void {
  let at = 0;
  const timer = setInterval(() => connection.send(bytes[Math.min(at++, bytes.length - 1)]!), 5);
  t.after(() => clearInterval(timer));
}

describe('each is on a server of its own, and waits for the time to be up', { concurrency: true }, () => {
  test('a connection on which nothing is ever said is closed without a word', async (t) => {
    const { port } = await listen(t, routes, short);
    const connection = await Connection.open(t, port);
    assert.equal(await connection.untilClosed(), '');
  });

  for (const head of ['G', 'GET / HTTP/1.1\r\n', 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ']) {
    test(`a head that stops after ${JSON.stringify(head)} is answered 408, and the connection closes`, async (t) => {
      const { port } = await listen(t, routes, short);
      const connection = await Connection.open(t, port);
      connection.send(head);
      const [answer] = soundAnswers(await connection.untilClosed(), [408]);
      assert.equal(answer!.headers.get('connection'), 'close');
    });
  }

  test('a head that comes one byte at a time is answered 408, however long it goes on', async (t) => {
    const { port } = await listen(t, routes, short);
    const connection = await Connection.open(t, port);
    trickle(t, connection, 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a');
    soundAnswers(await connection.untilClosed(), [408]);
  });

  test('the next head on a connection has no more time than the first', async (t) => {
    const { port } = await listen(t, routes, short);
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('PUT /'));
    await connection.until('unread');
    trickle(t, connection, 'PUT / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a');
    soundAnswers(await connection.untilClosed(), [200, 408]);
  });

  const unfinished: Record<string, [framing: string, start: string]> = {
    'never begins': ['Content-Length: 1000', ''],
    'stops': ['Content-Length: 1000', '['],
    'stops between two chunks': ['Transfer-Encoding: chunked', '1\r\n[\r\n'],
  };
  for (const [how, [framing, start]] of Object.entries(unfinished)) {
    test(
      `a body that ${how} is answered 408 with the grant, and the connection closes, whichever timeout comes first`,
      async (t) => {
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
          // With chunks still to come, the server listens on for a while, to discard them.
          const [answer] = soundAnswers(await connection.until(/\}$/), [408], origin);
          assert.equal(answer!.headers.get('connection'), 'close');
        }));
      },
    );
  }

  test('a head has as long as its request, be it more than the minute that node gives', async (t) => {
    const { server } = await listen(t, routes, { requestTimeout: 100 });
    assert.equal(server.requestTimeout, 100_000);
    assert.equal(server.headersTimeout, 100_000);
  });

  test('a body that comes one byte at a time is answered 408, however long it goes on', async (t) => {
    const { port } = await listen(t, routes, { ...short, handlerTimeout: 30 });
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 1000000'], '"'));
    trickle(t, connection, 'a');
    soundAnswers(await connection.untilClosed(), [408]);
  });

  test('an unread body that never ends does not keep the connection', async (t) => {
    const { port } = await listen(t, routes, short);
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('PUT /', ['Content-Length: 1000000'], 'a'));
    trickle(t, connection, 'a');
    const received = await connection.untilClosed();
    assert.match(received, /^HTTP\/1\.1 200 /);
    soundAnswers(received, received.includes(' 408 ') ? [200, 408] : [200]);
  });
});

for (const [method, kind] of [['GET', 'a value'], ['POST', 'a stream']]) {
  test(`a client that never reads ${kind} is cut off`, async (t) => {
    const { port, server } = await listen(t, routes, short);
    const connected = once(server, 'connection');
    const connection = await Connection.open(t, port);
    connection.socket.pause();
    connection.send(requestBytes(`${method} /large`));
    const [socket] = await within('the server had the connection', connected);
    await within('the server cut the connection off', once(socket, 'close'));
    connection.socket.resume();
    assert.ok((await connection.untilClosed()).length < 50_000_000);
  });
}

const tunnel = requestBytes('CONNECT example.com:443');

test('a CONNECT behind a GET does not keep the client from reading all of the answer', async (t) => {
  const { port } = await listen(t, routes, short);
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /download') + tunnel);
  const received = await connection.untilClosed();
  const [answer] = soundAnswers(received, [200, 405]);
  assert.equal(answer!.body!.length, 20_000_000);
});

test('a CONNECT behind a GET does not keep the server from cutting off a client that never reads', async (t) => {
  const { port, server } = await listen(t, routes, short);
  const connected = once(server, 'connection');
  const connection = await Connection.open(t, port);
  connection.socket.pause();
  connection.send(requestBytes('GET /large') + tunnel);
  const [socket] = await within('the server had the connection', connected);
  await within('the server cut the connection off', once(socket, 'close'));
});

test('a client that leaves behind a CONNECT, while its answer has nothing to say, is noticed', async (t) => {
  const { port } = await listen(t, routes, short);
  const left = within('the signal aborted', once(quiet, 'left'));
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /quiet') + tunnel);
  await connection.until('begun');
  connection.socket.end();
  await left;
});

test('a hundred requests behind a stream that says nothing, from a client that leaves, end in time', async (t) => {
  const { port, server } = await listen(t, routes, short);
  const connected = once(server, 'connection');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /quiet').repeat(100));
  const [socket] = await within('the server had the connection', connected);
  await connection.until('begun');
  connection.socket.destroy();
  await within('the server closed the connection', once(socket, 'close'));
});

test('an answer that waits for its turn is no reason to cut off the one before it', async (t) => {
  const { port, server } = await listen(t, routes, { requestTimeout: 0.3, handlerTimeout: 0 });
  const connection = await Connection.open(t, port);
  const late = within('the timeout', once(server, 'timeout'));
  connection.send(requestBytes('GET /held') + requestBytes('GET /some', ['Connection: close']));
  await late;
  quiet.emit('release');
  const [answer] = soundAnswers(await connection.untilClosed(), [200, 200]);
  assert.equal(answer!.body, '"held"');
});

test('a client that asks and asks but never reads is cut off', async (t) => {
  const { port, server } = await listen(t, routes, short);
  const connected = once(server, 'connection');
  const connection = await Connection.open(t, port);
  connection.socket.pause();
  const requests = requestBytes('GET /some').repeat(1_000);
  const more = (): void => void connection.socket.write(requests, (error) => !error && more());
  more();
  const [socket] = await within('the server had the connection', connected);
  await within('the server cut the connection off', once(socket, 'close'));
});
