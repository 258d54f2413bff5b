import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { LogProcess } from './log-process.ts';

const LIMIT = { timeout: 60_000 };

const ways = ['cause', 'causes', 'errors', 'fetch', 'code', 'circle', 'controls', 'text', 'object', 'null', 'plain'];

/** What is on standard error once each way to fail has been gone, for the tests that read it. */
const written: Record<string, Promise<string>> = {};

function errorsOf(t: TestContext, log: 'text' | 'json'): Promise<string> {
  return (written[log] ??= writeErrors(t, log));
}

async function writeErrors(t: TestContext, log: 'text' | 'json'): Promise<string> {
  const server = new LogProcess(t, log);
  const port = await server.port();
  for (const way of ways) {
    const response = await fetch(`http://127.0.0.1:${port}/fails/${way}`);
    assert.equal(response.status, 500);
    assert.doesNotMatch(await response.text(), /failed|refused|ECONN/);
  }
  await server.lines();
  return server.errors;
}

interface Entry {
  time: string;
  level: string;
  where: string;
  error: string;
  code?: string;
  cause?: Entry;
  errors?: Entry[];
}

test(
  'the log in JSON has each error with its stack, its code, its causes and the errors that it gathers',
  LIMIT,
  async (t) => {
    const entries = (await errorsOf(t, 'json'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Entry);
    const entry = (way: string): Entry => {
      const found = entries.filter(({ where }) => where.endsWith(`/fails/${way}`));
      assert.equal(found.length, 1, way);
      return found[0]!;
    };
    for (const { time, level, where } of entries) {
      assert.ok(!Number.isNaN(Date.parse(time)));
      assert.equal(level, 'error');
      assert.match(where, /^Fails GET \/fails\//);
    }

    const plain = entry('plain');
    assert.match(plain.error, /^Error: plain\n +at .*log-server\.ts/);
    assert.deepEqual(
      Object.keys(plain).filter((name) => ['code', 'cause', 'errors'].includes(name)),
      [],
    );

    const { error, cause } = entry('cause');
    assert.match(error, /^Error: outer failed\n +at /);
    assert.match(cause!.error, /^Error: inner refused\n +at /);
    assert.equal(cause!.code, 'ECONNREFUSED');

    assert.match(entry('causes').cause!.cause!.error, /^Error: three\n +at /);

    const gathered = entry('errors');
    assert.match(gathered.error, /^AggregateError: all failed/);
    assert.deepEqual(
      gathered.errors!.map(({ error }) => error.split('\n', 1)[0]),
      ['Error: first failed', 'Error: second failed'],
    );
    assert.deepEqual(
      gathered.errors!.map(({ code }) => code),
      [undefined, 'E2'],
    );

    const fetched = entry('fetch');
    assert.match(fetched.error, /^TypeError: fetch failed/);
    assert.equal(fetched.cause!.code, 'ECONNREFUSED');
    assert.match(fetched.cause!.error, /ECONNREFUSED/);

    assert.equal(entry('code').code, 'ERR_OF_OUR_OWN');
    assert.match(entry('circle').error, /^Error: round and round/);
    assert.match(entry('text').error, /only a text/);
    assert.match(entry('object').error, /only an object/);
    assert.match(entry('null').error, /null/);
  },
);

test(
  'the log in text shows each error as util.inspect does, with its code, its causes and the errors that it gathers',
  LIMIT,
  async (t) => {
    const errors = await errorsOf(t, 'text');
    for (const way of ways) assert.equal(errors.match(new RegExp(` Fails GET /fails/${way}\\n`, 'g'))?.length, 1, way);
    for (const shown of [
      /Error: plain\n +at .*log-server\.ts/,
      /Error: outer failed\n +at /,
      /\[cause\]: Error: inner refused\n +at /,
      /code: 'ECONNREFUSED'/,
      /\[cause\]: Error: three\n/,
      /AggregateError: all failed/,
      /\[errors\]: \[\n +Error: first failed\n/,
      /code: 'E2'/,
      /TypeError: fetch failed[^]*\[cause\]: (?:Aggregate)?Error: connect ECONNREFUSED/,
      /code: 'ERR_OF_OUR_OWN'/,
      /Error: round and round/,
      /only a text/,
      /only an object/,
      /(?<!fails\/)null/,
    ]) {
      assert.match(errors, shown);
    }
  },
);

for (const log of ['text', 'json'] as const) {
  test(
    `no control character of an error or its causes reaches the log, and no line is forged: LOG=${log}`,
    LIMIT,
    async (t) => {
      const errors = await errorsOf(t, log);
      assert.doesNotMatch(errors, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
      assert.doesNotMatch(errors, /^forged line/m);
      assert.match(errors, /inner .*\\u001b|inner .*\\x1B/i);
    },
  );
}
