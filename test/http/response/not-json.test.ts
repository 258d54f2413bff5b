import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

const GET = requestBytes('GET /', ['Connection: close']);

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
    test(`responds 500 and logs an error for ${name}, ${how}`, async (t) => {
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
      const [problem] = expectResponses(await sendRaw(t, port, GET), [500]);
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
  const [answer] = expectResponses(await sendRaw(t, port, GET), [200]);
  assert.equal(answer!.body, JSON.stringify(value));
});

for (const [what, value, message] of [
  ['a promise', () => ({ list: [{ user: Promise.reject(new Error('not handled')) }] }), /at list\[0\]\.user, a promise: await it/],
  ['a list of promises', () => [Promise.resolve(1), Promise.reject(new Error('not handled'))], /at \[0\], a promise: await it/],
  ['a Map', () => ({ a: { b: new Map() } }), /at a\.b, a Map: return Object\.fromEntries/],
  ['a Set', () => [{}, new Set([1])], /at \[1\], a Set: return \[\.\.\.set\]/],
  ['an Error', () => ({ error: new Error('hidden') }), /at error, an Error/],
  ['a BigInt', () => ({ total: { cents: 1n } }), /at total\.cents, a BigInt: return String/],
] as const) {
  test(`responds 500 to ${what} inside a value, and logs its place and a fix`, async (t) => {
    const errors: string[] = [];
    class Nested extends RequestHandler {
      override doGet() {
        return value();
      }
      override logError(error: unknown) {
        errors.push(String(error));
      }
    }
    const { port } = await listen(t, { '/': Nested });
    expectResponses(await sendRaw(t, port, GET), [500]);
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, message);
  });
}
