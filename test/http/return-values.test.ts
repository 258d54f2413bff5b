import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { within } from '../waiting.ts';

const LIMIT = { timeout: 20_000 };
const GET = requestBytes('GET /', ['Connection: close']);

function* generator() {
  yield 1;
}

async function* asyncGenerator() {
  yield 1;
}

/** What cannot be meant, with what the log says about it. */
const values: [what: string, make: () => unknown, said: RegExp[]][] = [
  ['a Response', () => Response.json({ a: 1 }), [/Response/]],
  ['a Map', () => new Map([['a', 1]]), [/\bMap\b/, /Object\.fromEntries/]],
  ['a Set', () => new Set([1]), [/\bSet\b/, /\[\.\.\./]],
  ['a Buffer', () => Buffer.from('bytes'), [/Buffer|Uint8Array/, /endHeaders\(\)/]],
  ['a typed array', () => new Uint8Array(2), [/Uint8Array/, /endHeaders\(\)/]],
  ['another typed array', () => new Float64Array(2), [/Float64Array/]],
  ['an ArrayBuffer', () => new ArrayBuffer(2), [/ArrayBuffer/, /endHeaders\(\)/]],
  ['a generator', generator, [/iterator|generator/i, /\[\.\.\./]],
  ['an asynchronous generator', asyncGenerator, [/iterator|generator/i]],
  ['an iterator', () => [1, 2].values(), [/iterator/i, /\[\.\.\./]],
  ['the entries of a Map', () => new Map([['a', 1]]).entries(), [/iterator/i]],
  ['a readable stream', () => Readable.from(['a']), [/Readable|stream/i, /endHeaders\(\)/]],
  ['a web stream', () => new Blob(['a']).stream(), [/ReadableStream|stream/i, /endHeaders\(\)/]],
];
for (const [what, make, said] of values) {
  for (const [how, answer] of [
    ['returned', make],
    ['promised', async () => make()],
  ] as const) {
    test(
      `${what}, ${how}, is a 500 with the CORS headers, and the log says what to write instead`,
      LIMIT,
      async (t) => {
        const logged: unknown[] = [];
        class Meant extends RequestHandler {
          override doGet() {
            return answer();
          }
          override logError(error: unknown) {
            logged.push(error);
          }
        }
        const { port } = await listen(t, { '/': Meant });
        const [problem] = soundAnswers(await sendRaw(t, port, GET), [500]);
        assert.equal(JSON.parse(problem!.body!).detail, 'Internal Server Error');
        assert.equal(logged.length, 1);
        assert.ok(logged[0] instanceof Error);
        for (const pattern of [/\bMeant\b/, ...said]) assert.match(logged[0].message, pattern);
      },
    );
  }
}

const meant: [what: string, value: unknown, body: string][] = [
  ['an array', [1], '[1]'],
  ['a Date', new Date(0), '"1970-01-01T00:00:00.000Z"'],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
  [
    'an instance of a class',
    new (class Point {
      x = 1;
    })(),
    '{"x":1}',
  ],
  ['a URL', new URL('https://app.example.com/'), '"https://app.example.com/"'],
  ['an object whose members are called next and then', { next: 1, then: 2, pipe: 3 }, '{"next":1,"then":2,"pipe":3}'],
  ['a string', '', '""'],
  ['false', false, 'false'],
  ['zero', 0, '0'],
];
for (const [what, value, body] of meant) {
  test(`${what} is meant as it is`, LIMIT, async (t) => {
    class Meant extends RequestHandler {
      override doGet() {
        return value;
      }
    }
    const { port } = await listen(t, { '/': Meant });
    const [answer] = soundAnswers(await sendRaw(t, port, GET), [200]);
    assert.equal(answer!.body, body);
  });
}

/** A source that takes several turns of the event loop. */
function slowly(parts = ['one ', 'two ', 'three']): Readable {
  return Readable.from(
    (async function* () {
      for (const part of parts) {
        await new Promise(setImmediate);
        await new Promise(setImmediate);
        yield part;
      }
    })(),
  );
}

class Piped extends RequestHandler {
  static logged: unknown[] = [];
  override doGet() {
    return slowly().pipe(this.endHeaders());
  }
  override async doPost() {
    await new Promise(setImmediate);
    return slowly().pipe(this.endHeaders());
  }
  override doPut() {
    return pipeline(slowly(), this.endHeaders());
  }
  override async doDelete() {
    const body = this.endHeaders();
    slowly().pipe(body);
    await once(body, 'finish');
  }
  override logRequest() {
    Piped.logged.push('request');
  }
  override logError(error: unknown) {
    Piped.logged.push(error);
  }
}

for (const [how, method] of [
  ['what pipe() returns', 'GET'],
  ['a promise of what pipe() returns', 'POST'],
  ['a promise of pipeline()', 'PUT'],
  ["a promise of 'finish'", 'DELETE'],
]) {
  test(`an answer that is piped ends when all of it has left, and the connection goes on: ${how}`, LIMIT, async (t) => {
    Piped.logged = [];
    const { port } = await listen(t, { '/': Piped });
    const received = await sendRaw(
      t,
      port,
      requestBytes(`${method} /`) + requestBytes(`${method} /`, ['Connection: close']),
    );
    const answers = soundAnswers(received, [200, 200]);
    assert.deepEqual(
      answers.map(({ body }) => body),
      ['one two three', 'one two three'],
    );
    assert.deepEqual(Piped.logged, ['request', 'request']);
  });
}

test('HEAD on an answer that is piped sends its headers alone, and the connection goes on', LIMIT, async (t) => {
  Piped.logged = [];
  const { port } = await listen(t, { '/': Piped });
  const received = await sendRaw(t, port, requestBytes('HEAD /') + requestBytes('HEAD /', ['Connection: close']));
  assert.doesNotMatch(received, /one/);
  assert.equal(received.match(/^HTTP\/1\.1 200 /gm)?.length, 2);
});

test('an answer that is piped, and whose stream breaks, is cut', LIMIT, async (t) => {
  class Breaks extends RequestHandler {
    override doGet() {
      const body = this.endHeaders();
      setImmediate(() => body.destroy(new Error('broken')));
      return Readable.from(['half']).pipe(body, { end: false });
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Breaks });
  const received = await within('the connection to be cut', sendRaw(t, port, requestBytes('GET /')));
  assert.doesNotMatch(received, /\r\n0\r\n/);
});

test(
  'a client that leaves in the middle of an answer that is piped ends it, with one line in the log',
  LIMIT,
  async (t) => {
    const events = new EventEmitter();
    const lines: unknown[] = [];
    class Endless extends RequestHandler {
      override doGet() {
        return new Readable({
          read() {
            setImmediate(() => this.push('more'));
          },
        }).pipe(this.endHeaders());
      }
      override logRequest() {
        lines.push('request');
        events.emit('logged');
      }
      override logError(error: unknown) {
        lines.push(error);
      }
    }
    const { port } = await listen(t, { '/': Endless });
    const logged = once(events, 'logged');
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('GET /'));
    await connection.until('more');
    connection.socket.destroy();
    await within('the line of the log', logged);
    assert.deepEqual(lines, ['request']);
  },
);

test('an answer that is piped and not returned is an error that says to return it', LIMIT, async (t) => {
  const events = new EventEmitter();
  class Forgotten extends RequestHandler {
    override doGet() {
      slowly().pipe(this.endHeaders());
    }
    override logError(error: unknown) {
      events.emit('logged', error);
    }
  }
  const { port } = await listen(t, { '/': Forgotten });
  const logged = once(events, 'logged');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  const [error] = await within('the error in the log', logged);
  assert.match(String(error), /\breturn\b/);
});

test('a stream that is not the body cannot be returned in its place', LIMIT, async (t) => {
  const logged: unknown[] = [];
  class Other extends RequestHandler {
    override doGet() {
      return new Writable();
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Other });
  soundAnswers(await sendRaw(t, port, GET), [500]);
  assert.equal(logged.length, 1);
});
