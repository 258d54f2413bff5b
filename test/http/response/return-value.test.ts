import assert from 'node:assert/strict';
import { PassThrough, Readable, Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpError, RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

const GET = requestBytes('GET /', ['Connection: close']);

function* generator() {
  yield 1;
}

async function* asyncGenerator() {
  yield 1;
}

/** Return values that are probably mistakes, and the expected log messages. */
const values: [what: string, make: () => unknown, said: RegExp[]][] = [
  ['a Response', () => Response.json({ a: 1 }), [/Response/]],
  ['a Map', () => new Map([['a', 1]]), [/\bMap\b/, /Object\.fromEntries/]],
  ['a Set', () => new Set([1]), [/\bSet\b/, /\[\.\.\./]],
  ['a Map with a field of its own', () => Object.assign(new Map([['a', 1]]), { ttl: 60 }), [/\bMap\b/]],
  ['a Buffer', () => Buffer.from('bytes'), [/Buffer|Uint8Array/, /Content-Type/, /endHeaders\(\)\.end/]],
  ['a typed array', () => new Uint8Array(2), [/Uint8Array/, /Content-Type/]],
  ['another typed array', () => new Float64Array(2), [/Float64Array/]],
  ['an ArrayBuffer', () => new ArrayBuffer(2), [/ArrayBuffer/, /Content-Type/]],
  ['a generator', generator, [/iterator|generator/i, /\[\.\.\./]],
  ['an asynchronous generator', asyncGenerator, [/iterator|generator/i]],
  ['an iterator', () => [1, 2].values(), [/iterator/i, /\[\.\.\./]],
  ['an iterator of its own', () => ({ next: () => ({ done: true }), [Symbol.iterator]() {} }), [/iterable/]],
  ['the entries of a Map', () => new Map([['a', 1]]).entries(), [/iterator/i]],
  ['a readable stream', () => Readable.from(['a']), [/Readable|stream/i, /endHeaders\(\)/]],
  ['the Headers of a fetch', () => new Headers({ a: 'b' }), [/Headers/, /Object\.fromEntries/]],
  ['an HttpError', () => new HttpError(404), [/an Error: throw it/]],
  ['a web stream', () => new Blob(['a']).stream(), [/ReadableStream|stream/i, /endHeaders\(\)/]],
];
for (const [what, make, said] of values) {
  for (const [how, response] of [
    ['returned', make],
    ['promised', async () => make()],
  ] as const) {
    test(`responds 500 for ${what}, ${how}, and logs a suggestion`, async (t) => {
      const logged: unknown[] = [];
      class Meant extends RequestHandler {
        override doGet() {
          return response();
        }
        override logError(error: unknown) {
          logged.push(error);
        }
      }
      const { port } = await listen(t, { '/': Meant });
      const [problem] = expectResponses(await sendRaw(t, port, GET), [500]);
      assert.equal(JSON.parse(problem!.body!).detail, 'Internal Server Error');
      assert.equal(logged.length, 1);
      assert.ok(logged[0] instanceof Error);
      for (const pattern of said) assert.match(logged[0].message, pattern);
    });
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
  ['a member called pipe beside an empty object', { pipe: 1, empty: {} }, '{"pipe":1,"empty":{}}'],
  [
    'a Map that has a toJSON()',
    { map: new (class extends Map { toJSON() { return {}; } })() },
    '{"map":{}}',
  ],
  ['a string', '', '""'],
  ['false', false, 'false'],
  ['an empty list beside an empty object', [[], {}], '[[],{}]'],
  ['a class with an iterator and no fields', [new (class { *[Symbol.iterator]() {} })()], '[{}]'],
  ['zero', 0, '0'],
];
for (const [what, value, body] of meant) {
  test(`serializes ${what} as is`, async (t) => {
    class Meant extends RequestHandler {
      override doGet() {
        return value;
      }
    }
    const { port } = await listen(t, { '/': Meant });
    const [response] = expectResponses(await sendRaw(t, port, GET), [200]);
    assert.equal(response!.body, body);
  });
}

test('destroys a returned PassThrough that is not the response body', async (t) => {
  const returned = new PassThrough();
  class Returns extends RequestHandler {
    override doGet() {
      return returned;
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Returns });
  expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [500]);
  assert.equal(returned.destroyed, true);
});

test('rejects a returned stream that is not the response body', async (t) => {
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
  expectResponses(await sendRaw(t, port, GET), [500]);
  assert.equal(logged.length, 1);
});

const GET_CLOSE = requestBytes('GET /', ['Connection: close']);

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
  for (const [how, response] of [['returned', () => value], ['promised', async () => value]] as const) {
    test(`responds 500 and logs an error for ${name}, ${how}`, async (t) => {
      const logged: unknown[] = [];
      class NoJson extends RequestHandler {
        override doGet() {
          this.sendHeader('X-Half', 'done');
          return response();
        }
        override logError(error: unknown) {
          logged.push(error);
        }
      }
      const { port } = await listen(t, { '/': NoJson });
      const [problem] = expectResponses(await sendRaw(t, port, GET_CLOSE), [500]);
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

test('treats non-JSON values inside an object like JSON.stringify', async (t) => {
  const value = {
    nothing: undefined,
    method() {},
    number: NaN,
    list: [undefined, Symbol(), -0],
    date: new Date(0),
    object: {},
    ['__proto__']: 1,
  };
  class Values extends RequestHandler {
    override doGet() {
      return value;
    }
  }
  const { port } = await listen(t, { '/': Values });
  const [response] = expectResponses(await sendRaw(t, port, GET_CLOSE), [200]);
  assert.equal(response!.body, JSON.stringify(value));
});

test('sends 204 for undefined and 200 for null, and awaits promises', async (t) => {
  class Values extends RequestHandler {
    override doGet() {
      return { nothing: undefined, null: null, later: sleep(1, 'later') }[this.param('which')];
    }
  }
  const { url } = await listen(t, { '/:which': Values });
  assert.equal((await fetch(`${url}/nothing`)).status, 204);
  assert.equal(await (await fetch(`${url}/null`)).text(), 'null');
  assert.equal(await (await fetch(`${url}/later`)).text(), '"later"');
});

test('sends an empty text as a 200 with its Content-Type', async (t) => {
  class Empty extends RequestHandler {
    override doGet() {
      this.sendHeader('Content-Type', 'text/plain');
      return '';
    }
  }
  const { url } = await listen(t, { '/': Empty });
  const response = await fetch(url);
  const { headers, status } = response;
  assert.deepEqual([status, headers.get('content-type'), headers.get('content-length')], [200, 'text/plain', '0']);
});

test('responds to a synchronous handler in the same tick', async (t) => {
  let endedInTick: boolean | undefined;
  class Now extends RequestHandler {
    override doGet() {
      return 'now';
    }
    override logRequest() {
      endedInTick = isInTick;
    }
  }
  let isInTick = false;
  const { server, url } = await listen(t, { '/': Now });
  server.prependListener('request', () => {
    isInTick = true;
    queueMicrotask(() => (isInTick = false));
  });
  await (await fetch(url)).text();
  assert.equal(endedInTick, true);
});

test('awaits thenables returned by handlers and prepare()', async (t) => {
  // Unlike a promise's then(), this one returns nothing and passes nested thenables through.
  const queryOf = (rows: unknown) => ({ then: (resolve: (rows: unknown) => void) => void setImmediate(resolve, rows) });
  class Query extends RequestHandler {
    override doGet() {
      return queryOf(queryOf([1, 2]));
    }
  }
  class Prepared extends Query {
    override prepare() {
      return queryOf(undefined);
    }
  }
  const { url } = await listen(t, { '/': Query, '/prepared': Prepared });
  for (const path of ['/', '/prepared']) assert.deepEqual(await (await fetch(url + path)).json(), [1, 2], path);
});

const rejecting = () => Promise.reject(new Error('must not end the process'));

for (const [what, value, message] of [
  ['a promise', () => ({ list: [{ user: rejecting() }] }), /at list\[0\]\.user, a promise: await it/],
  ['a list of promises', () => [Promise.resolve(1), rejecting()], /at \[0\], a promise: await it/],
  ['a Map', () => ({ a: { b: new Map() } }), /at a\.b, an iterable \(Map\): return Object\.fromEntries\(value\)/],
  ['a Set', () => [{}, new Set([1])], /at \[1\], an iterable \(Set\): return \[\.\.\.value\]/],
  ['a query', () => ({ a: new URLSearchParams('b=1') }), /at a, an iterable \(URLSearchParams\): return Object\.from/],
  ['a stream', () => ({ file: Readable.from(['a']) }), /at file, a stream or an async iterator: return pipeline/],
  ['a Response', () => ({ inner: new Response('1') }), /at inner, a Response: return its body/],
  ['a web stream', () => [new Blob(['1']).stream()], /at \[0\], a stream or an async iterator/],
  ['a File', () => [new File(['1'], 'name')], /at \[0\], a Blob: send a Content-Type/],
  ['a Blob', () => [new Blob(['1'])], /at \[0\], a Blob: send a Content-Type/],
  ['an Error', () => ({ error: new Error('hidden') }), /at error, an Error/],
  ['a BigInt', () => ({ total: { cents: 1n } }), /at total\.cents, a BigInt: return String/],
] as const) {
  test(`responds 500 to ${what} inside a value, and logs its place and a fix`, async (t) => {
    assert.match(await loggedFor(t, value), message);
  });
}

for (const [what, value, message] of [
  ['an object', () => ({ a: 1 }), /return a string or bytes, or leave out the Content-Type text\/plain/],
  ['a stream', () => Readable.from(['a']), /return pipeline\(stream, this\.endHeaders\(\)\)/],
] as const) {
  test(`responds 500 to ${what} with the Content-Type of a text, and logs a fix`, async (t) => {
    assert.match(await loggedFor(t, value, 'text/plain'), message);
  });
}

/** Returns the only error in the log of a method that returns this value, after its 500. */
async function loggedFor(t: TestContext, value: () => unknown, contentType?: string): Promise<string> {
  const errors: string[] = [];
  class Returns extends RequestHandler {
    override doGet() {
      if (contentType) this.sendHeader('Content-Type', contentType);
      return value();
    }
    override logError(error: unknown) {
      errors.push(String(error));
    }
  }
  const { port } = await listen(t, { '/': Returns });
  expectResponses(await sendRaw(t, port, GET), [500]);
  assert.equal(errors.length, 1);
  return errors[0]!;
}

test('responds 500 to a handler that returns its request', async (t) => {
  class Returns extends RequestHandler {
    override doPost() {
      return this.request;
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Returns });
  const bytes = requestBytes('POST /', ['Content-Length: 2', 'Connection: close'], 'ab');
  expectResponses(await sendRaw(t, port, bytes), [500]);
});
