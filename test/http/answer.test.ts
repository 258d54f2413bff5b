import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { Server } from 'node:http';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, noRequests, requestBytes, sendRaw } from './connection.ts';
import { eventually } from '../waiting.ts';

/** A server that waited for ever would let the tests wait with it. */
const LIMIT = { timeout: 20_000 };
const GET = requestBytes('GET /', ['Connection: close']);

/** Resolves once the server has no connection left. */
async function untilEmpty(server: Server): Promise<void> {
  const count = () => new Promise<number>((resolve) => server.getConnections((_, open) => resolve(open)));
  await eventually('the server has no connection left', async () => (await count()) === 0);
}

const cycle: unknown[] = [];
cycle.push(cycle);
const noJson: Record<string, unknown> = {
  'a BigInt': 1n,
  'a BigInt deep inside': { a: [{ b: 1n }] },
  'a cycle': cycle,
  'a toJSON that throws': { toJSON() { throw new Error('secret'); } },
  'a getter that throws': { get a() { throw new Error('secret'); } },
  'a function': () => 1,
  'a symbol': Symbol('secret'),
  'a toJSON that returns nothing': { toJSON() {} },
};
for (const [name, value] of Object.entries(noJson)) {
  for (const [how, answer] of [['returned', () => value], ['promised', async () => value]] as const) {
    test(`${name}, ${how}, is a 500 before any header has left, and logged`, async (t) => {
      const logged: unknown[] = [];
      class NoJson extends RequestHandler {
        override doGet() {
          this.sendHeader('X-Half', 'done');
          return answer();
        }
        override logError(error: unknown) {
          logged.push(error);
        }
      }
      const { port } = await listen(t, { '/': NoJson });
      const [problem] = soundAnswers(await sendRaw(t, port, GET), [500]);
      assert.equal(problem!.headers.get('x-half'), null);
      assert.deepEqual(JSON.parse(problem!.body!), {
        title: 'Internal Server Error',
        status: 500,
        detail: 'Internal Server Error',
      });
      assert.equal(logged.length, 1);
      assert.ok(logged[0] instanceof Error);
    });
  }
}

test('what cannot be JSON inside a value is as JSON.stringify has it', async (t) => {
  const value = {
    nothing: undefined,
    method() {},
    number: NaN,
    list: [undefined, Symbol(), -0],
    date: new Date(0),
    map: new Map([[1, 2]]),
    ['__proto__']: 1,
  };
  class Values extends RequestHandler {
    override doGet() {
      return value;
    }
  }
  const { port } = await listen(t, { '/': Values });
  const [answer] = soundAnswers(await sendRaw(t, port, GET), [200]);
  assert.equal(answer!.body, JSON.stringify(value));
});

test('whatever is thrown is a 500 that tells nothing', async (t) => {
  const thrown: unknown[] = [
    new Error('secret'), 'secret', undefined, null, Symbol('secret'), Object.create(null),
    { status: 404, message: 'secret' }, () => 'secret',
  ];
  let next: unknown;
  class Throws extends RequestHandler {
    override doGet() {
      throw next;
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Throws });
  for (next of thrown) {
    const received = await sendRaw(t, port, GET);
    soundAnswers(received, [500]);
    assert.doesNotMatch(received, /secret/);
  }
});

test('an HttpError that itself cannot be sent is a 500', async (t) => {
  const errors = [
    new HttpError(409, 'x', { 'X-Name': 'a\r\nb' }),
    new HttpError(409, 'x', { 'a b': 'c' }),
    new HttpError(422, 'x', {}, { errors: 1n }),
  ];
  let next: unknown;
  class Throws extends RequestHandler {
    override doGet() {
      throw next;
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Throws });
  for (next of errors) soundAnswers(await sendRaw(t, port, GET), [500]);
});

for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
  test(
    `a throw after the headers have left resets the connection, so that the client sees a part as a part: ${version}`,
    LIMIT,
    async (t) => {
      const logged: unknown[] = [];
      const read = new EventEmitter();
      class Half extends RequestHandler {
        override async doGet() {
          this.endHeaders().write('half');
          await once(read, 'half');
          throw new HttpError(404, 'too late');
        }
        override logError(error: unknown) {
          logged.push(error);
        }
      }
      const { port } = await listen(t, { '/': Half });
      const connection = await Connection.open(t, port);
      const reset = once(connection.socket, 'error');
      connection.send(`GET / ${version}\r\nHost: 127.0.0.1\r\n\r\n`);
      await connection.until('half');
      read.emit('half');
      const [error] = await reset;
      assert.equal(error.code, 'ECONNRESET');
      assert.doesNotMatch(connection.received, /\r\n0\r\n|too late/);
      assert.equal((logged[0] as Error).message, 'too late');
      assert.equal(logged.length, 1);
    },
  );
}

test('what a method writes after the end of its answer is lost and logged, and no reason to stop', LIMIT, async (t) => {
  const logged = new EventEmitter();
  class TooMuch extends RequestHandler {
    override doGet() {
      const body = this.endHeaders();
      body.end('enough');
      body.write('too much');
    }
    override logError(error: unknown) {
      logged.emit('error-logged', error);
    }
  }
  const { port } = await listen(t, { '/': TooMuch });
  const log = once(logged, 'error-logged');
  const [answer] = soundAnswers(await sendRaw(t, port, GET), [200]);
  assert.equal(answer!.body, 'enough');
  assert.match(String(await log), /write after end/);
});

test('a method that never answers is answered 503, the connection closes, and its signal aborts', LIMIT, async (t) => {
  let signal: AbortSignal | undefined;
  let answerLate: ((value: string) => void) | undefined;
  class Never extends RequestHandler {
    override doGet() {
      ({ signal } = this);
      return new Promise<string>((resolve) => (answerLate = resolve));
    }
  }
  const { port } = await listen(t, { '/': Never }, { handlerTimeout: 0.2 });
  const [answer] = soundAnswers(await sendRaw(t, port, requestBytes('GET /')), [503]);
  assert.equal(answer!.headers.get('connection'), 'close');
  assert.equal(signal!.aborted, true);
  assert.match((signal!.reason as Error).message, /too long/);
  answerLate!('late');
});

test('a prepare() that never settles is answered 503', LIMIT, async (t) => {
  class Never extends RequestHandler {
    override prepare() {
      return new Promise(() => {});
    }
    override doGet() {
      return assert.fail('called');
    }
  }
  const { port } = await listen(t, { '/': Never }, { handlerTimeout: 0.2 });
  soundAnswers(await sendRaw(t, port, requestBytes('GET /')), [503]);
});

test('a predicate that never settles is answered 503, and grants nothing', LIMIT, async (t) => {
  class Answers extends RequestHandler {
    override doGet() {
      return assert.fail('called');
    }
  }
  const cors = { origins: () => new Promise<boolean>(() => {}) };
  const { port } = await listen(t, { '/': Answers }, { handlerTimeout: 0.2, cors });
  soundAnswers(await sendRaw(t, port, requestBytes('GET /', ['Origin: https://app.example.com'])), [503], null);
});

test('an answer that has begun may take longer than a method may to begin it', LIMIT, async (t) => {
  const requests = new EventEmitter();
  class Stream extends RequestHandler {
    override async doGet() {
      const body = this.endHeaders();
      await once(requests, 'given up on');
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
  soundAnswers(await sendRaw(t, port, requestBytes('GET /never')), [503]);
  requests.emit('given up on');
  const [answer] = soundAnswers(await connection.untilClosed(), [200]);
  assert.equal(answer!.body, 'done');
});

test('a stream that says nothing for longer than any timeout is not cut', LIMIT, async (t) => {
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
  const [answer] = soundAnswers(await connection.untilClosed(), [200]);
  assert.equal(answer!.body, 'ab');
});

test(
  'without a deadline for methods, a request may wait for its answer for longer than any other timeout',
  LIMIT,
  async (t) => {
    const others = new EventEmitter();
    class Patient extends RequestHandler {
      override async doGet() {
        await once(others, 'timed out');
        return 'patient';
      }
    }
    const { port } = await listen(t, { '/': Patient }, { handlerTimeout: 0, requestTimeout: 0.1 });
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('GET /') + GET);
    for (let times = 0; times < 5; times++) await sendRaw(t, port, 'GET');
    others.emit('timed out');
    soundAnswers(await connection.untilClosed(), [200, 200]);
  },
);

for (const stream of [false, true]) {
  const when = stream ? 'in the middle of a stream' : 'before the answer';
  test(`a client that leaves ${when}: the signal aborts, one line is logged, nothing stays open`, LIMIT, async (t) => {
    const events = new EventEmitter();
    const lines: unknown[] = [];
    class Waits extends RequestHandler {
      override async doGet() {
        const body = stream ? this.endHeaders() : undefined;
        const aborted = once(this.signal, 'abort');
        events.emit('called');
        await aborted;
        for (let times = 0; times < 10; times++) body?.write('x'.repeat(100_000));
        events.emit('over');
        return stream ? undefined : { still: 'answering' };
      }
      override logRequest() {
        lines.push('request');
      }
      override logError(error: unknown) {
        lines.push(error);
      }
    }
    const { port, server } = await listen(t, { '/': Waits });
    const called = once(events, 'called');
    const over = once(events, 'over');
    const connection = await Connection.open(t, port);
    connection.send(GET);
    await called;
    connection.socket.destroy();
    await over;
    await untilEmpty(server);
    assert.deepEqual(lines, ['request']);
  });
}

test('a client that leaves before its turn in a pipeline is one log line for each request', LIMIT, async (t) => {
  const lines: string[] = [];
  const signals: AbortSignal[] = [];
  const events = new EventEmitter();
  class Waits extends RequestHandler {
    override async doGet() {
      signals.push(this.signal);
      if (signals.length === 3) events.emit('all');
      await once(this.signal, 'abort');
    }
    override logRequest() {
      lines.push(this.path);
      if (lines.length === 3) events.emit('logged');
    }
  }
  const { port, server } = await listen(t, { '/': Waits });
  const all = once(events, 'all');
  const logged = once(events, 'logged');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /').repeat(3));
  await all;
  connection.socket.destroy();
  await logged;
  await untilEmpty(server);
  for (const { reason } of signals) assert.match(reason.message, /client/);
});

for (const [status, bytes] of noRequests) {
  test(`an answer without a request has the Date that every answer must have: ${status}`, LIMIT, async (t) => {
    const { port } = await listen(t, {}, { requestTimeout: 0.2 });
    const [answer] = soundAnswers(await sendRaw(t, port, bytes), [status]);
    const date = answer!.headers.get('date');
    assert.match(date ?? 'none', /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
    assert.ok(Math.abs(Date.parse(date!) - Date.now()) < 60_000);
  });
}
