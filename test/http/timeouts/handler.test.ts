import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

const GET = requestBytes('GET /', ['Connection: close']);

test('responds 503 and aborts the signal if a handler times out, and ignores its value', async (t) => {
  const logged: unknown[] = [];
  let signal: AbortSignal | undefined;
  let respondLate: ((value: string) => void) | undefined;
  class Never extends RequestHandler {
    override doGet() {
      ({ signal } = this);
      return new Promise<string>((resolve) => (respondLate = resolve));
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Never }, { handlerTimeout: 0.2 });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /')), [503]);
  assert.equal(response!.headers.get('connection'), 'close');
  assert.equal(signal!.aborted, true);
  assert.match((signal!.reason as Error).message, /longer than HANDLER_TIMEOUT/);
  respondLate!('late');
  await new Promise(setImmediate);
  assert.deepEqual(logged, []);
});

test('responds 503 if prepare() times out', async (t) => {
  class Never extends RequestHandler {
    override prepare() {
      return new Promise(() => {});
    }
    override doGet() {
      return assert.fail('called');
    }
  }
  const { port } = await listen(t, { '/': Never }, { handlerTimeout: 0.2 });
  expectResponses(await sendRaw(t, port, requestBytes('GET /')), [503]);
});

test('closes the connection after a timeout even if endHeaders() throws', async (t) => {
  class Broken extends RequestHandler {
    override doGet() {
      return new Promise(() => {});
    }
    override endHeaders(): never {
      throw new Error('A bug in endHeaders()');
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Broken }, { handlerTimeout: 0.2 });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /')), [500]);
  assert.equal(response!.headers.get('connection'), 'close');
});

test('responds 503 without CORS headers if an origin predicate times out', async (t) => {
  class NeverCalled extends RequestHandler {
    override doGet() {
      return assert.fail('called');
    }
  }
  const cors = { origins: () => new Promise<boolean>(() => {}) };
  const { port } = await listen(t, { '/': NeverCalled }, { handlerTimeout: 0.2, cors });
  expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Origin: https://app.example.com'])), [503], null);
});

test('does not apply the handler timeout once the response has started', async (t) => {
  const requests = new EventEmitter();
  class Stream extends RequestHandler {
    override async doGet() {
      const body = this.endHeaders();
      await once(requests, 'timed out');
      body.write('done');
    }
  }
  class Never extends RequestHandler {
    override doGet() {
      return new Promise(() => {});
    }
  }
  const { port } = await listen(t, { '/': Stream, '/never': Never }, { handlerTimeout: 0.2 });
  const connection = await Connection.open(t, port);
  connection.send(GET);
  await connection.until('\r\n\r\n');
  expectResponses(await sendRaw(t, port, requestBytes('GET /never')), [503]);
  requests.emit('timed out');
  const [response] = expectResponses(await connection.untilClosed(), [200]);
  assert.equal(response!.body, 'done');
});

test('does not time out a stream that is idle', async (t) => {
  const others = new EventEmitter();
  class Quiet extends RequestHandler {
    override async doGet() {
      const body = this.endHeaders();
      body.write('a');
      await once(others, 'timed out');
      body.write('b');
    }
  }
  const { port } = await listen(t, { '/': Quiet }, { handlerTimeout: 0.1, requestTimeout: 0.1 });
  const connection = await Connection.open(t, port);
  connection.send(GET);
  await connection.until('a\r\n');
  for (let times = 0; times < 5; times++) await sendRaw(t, port, 'GET');
  others.emit('timed out');
  const [response] = expectResponses(await connection.untilClosed(), [200]);
  assert.equal(response!.body, 'ab');
});

test('lets a handler take longer than every other timeout with handlerTimeout 0', async (t) => {
  const others = new EventEmitter();
  class Patient extends RequestHandler {
    override async doGet() {
      await once(others, 'timed out');
      return 'patient';
    }
  }
  const { port } = await listen(t, { '/': Patient }, { handlerTimeout: 0, requestTimeout: 0.1 });
  const connection = await Connection.open(t, port);
  connection.send(GET);
  for (let times = 0; times < 5; times++) await sendRaw(t, port, 'GET');
  others.emit('timed out');
  expectResponses(await connection.untilClosed(), [200]);
});
