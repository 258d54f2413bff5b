import assert from 'node:assert/strict';
import { after, test, type TestContext } from 'node:test';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { expectResponses, type RawResponse } from '../support/response.ts';
import { ServerProcess } from '../support/server-process.ts';

for (const log of ['json', 'text'] as const) {
  test(`escapes control characters of requests in the log: LOG=${log}`, async (t) => {
    const server = new ServerProcess(t, { log });
    const port = await server.port();
    const controls = Array.from({ length: 160 }, (_, code) => String.fromCharCode(code))
      .filter((character) => /[\x00-\x1f\x7f-\x9f]/.test(character));
    await Promise.all(controls.map(async (control) => {
      await sendRaw(t, port, `GET /${control} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
      await sendRaw(t, port, `GET / HTTP/1.1\r\nHost: ${control}\r\nConnection: close\r\n\r\n`);
      await sendRaw(t, port, requestBytes('GET /', [`User-Agent: ${control}`, 'Connection: close']));
    }));
    const message = JSON.stringify(controls.filter((control) => control !== '\n').join(''));
    const headers = [
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(message)}`,
      'Connection: close',
    ];
    expectResponses(await sendRaw(t, port, Buffer.from(requestBytes('POST /throw', headers, message))), [500]);
    server.child.kill('SIGTERM');
    await server.ended();
    const written = server.output + server.errors;
    assert.doesNotMatch(written, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    for (const escape of ['\\u001b', '\\u007f', '\\u009b']) assert.ok(written.includes(escape));
    if (log === 'json') for (const line of written.trim().split('\n')) assert.ok(JSON.parse(line).time);
  });
}

const ask = (path: string, headers: string[] = []) => requestBytes(`GET ${path}`, ['Connection: close', ...headers]);

/** One process for all tests, with a new server for each. */
const server = new ServerProcess({ after }, { log: 'text' });

const ways = [
  'cause', 'causes', 'errors', 'fetch', 'code', 'circle', 'crowd', 'hidden', 'revoked', 'controls', 'text', 'object',
  'null', 'plain',
];

/** Cached standard error output after every failure mode was triggered. */
const outputs: Record<string, Promise<{ errors: string }>> = {};

async function errorsOf(t: TestContext, log: 'text' | 'json'): Promise<string> {
  outputs[log] ??= server.written({ log }, async (port) => {
    for (const way of ways) {
      const [{ body }] = expectResponses(await sendRaw(t, port, ask(`/fails/${way}`)), [500]) as [RawResponse];
      assert.doesNotMatch(body!, /failed|refused|ECONN/);
    }
  });
  return (await outputs[log]).errors;
}

interface Entry {
  time: string;
  level: string;
  where: string;
  error: string;
  code?: string;
}

test('logs stack, code, causes and aggregated errors: LOG=json', async (t) => {
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
  assert.match(plain.error, /^Error: plain\n +at .*spawned-server\.ts/);
  assert.deepEqual(
    Object.keys(plain).filter((name) => name === 'code'),
    [],
  );

  assert.match(entry('cause').error, /^Error: outer failed\n +at [^]*\[cause\]: Error: inner failed\n/);
  assert.match(entry('cause').error, /code: 'ECONNREFUSED'/);
  assert.match(entry('causes').error, /\[cause\]: Error: three\n +at /);
  const gathered = entry('errors').error;
  assert.match(gathered, /^AggregateError: all failed[^]*Error: first failed\n[^]*Error: second failed\n[^]*'E2'/);
  assert.match(entry('fetch').error, /^\[?TypeError: fetch failed[^]*ECONNREFUSED/);

  assert.equal(entry('code').code, 'ERR_OF_OUR_OWN');
  assert.match(entry('circle').error, /Error: round and round/);
  assert.equal(entry('crowd').error.match(/Error: number \d+\n/g)?.length, 30);
  assert.ok(JSON.stringify(entry('crowd')).length < 50_000, 'errors that share a cause repeat it');
  assert.match(entry('hidden').error, /^Error: hidden\n +at /);
  assert.match(entry('revoked').error, /^Error: with a revoked cause\n +at /);
  assert.match(entry('text').error, /only a text/);
  assert.match(entry('object').error, /only an object/);
  assert.match(entry('null').error, /null/);
});

test('logs errors like util.inspect: LOG=text', async (t) => {
  const errors = await errorsOf(t, 'text');
  for (const way of ways) assert.equal(errors.match(new RegExp(` Fails GET /fails/${way}\\n`, 'g'))?.length, 1, way);
  for (const shown of [
    /Error: plain\n +at .*spawned-server\.ts/,
    /Error: outer failed\n +at /,
    /\[cause\]: Error: inner failed\n +at /,
    /code: 'ECONNREFUSED'/,
    /\[cause\]: Error: three\n/,
    /AggregateError: all failed/,
    /\[errors\]: \[\n +Error: first failed\n/,
    /code: 'E2'/,
    /TypeError: fetch failed[^]*\[?cause\]?: (?:Aggregate)?Error: connect ECONNREFUSED/,
    /code: 'ERR_OF_OUR_OWN'/,
    /Error: round and round/,
    /only a text/,
    /only an object/,
    /(?<!fails\/)null/,
  ]) {
    assert.match(errors, shown);
  }
});

test('logs the error of a logError() override that throws, and keeps running', async (t) => {
  const { errors } = await server.written({ log: 'text' }, async (port) => {
    for (const _ of [1, 2]) expectResponses(await sendRaw(t, port, ask('/fails-to-log')), [200]);
  });
  assert.equal(errors.match(/ logError\n +Error: The log is gone\n/g)?.length, 2, errors);
});

for (const log of ['text', 'json'] as const) {
  test(`escapes control characters in errors and causes: LOG=${log}`, async (t) => {
    const errors = await errorsOf(t, log);
    assert.doesNotMatch(errors, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    assert.doesNotMatch(errors, /^forged line/m);
    assert.match(errors, /inner .*\\u001b|inner .*\\x1B/i);
  });
}

for (const log of ['json', 'text', 'off'] as const) {
  test(`logs handler, message and stack, which the client does not see: LOG=${log}`, async (t) => {
    const { lines, errors } = await server.written({ log }, async (port) => {
      expectResponses(await sendRaw(t, port, ask('/big')), [500]);
    });
    assert.match(errors, /BigIntHandler GET \/big/);
    assert.match(errors, /TypeError: .*BigInt/);
    assert.match(errors, /request-handler\.ts/);
    if (log === 'json') assert.equal(JSON.parse(errors).level, 'error');
    assert.equal(lines.join('\n').match(/\b500\b/g)?.length ?? 0, log === 'off' ? 0 : 1);
  });
}

// Must be the last test, because it ends the shared process.
test('does not log that it is waiting if shutdown does not wait: LOG=text', async () => {
  server.child.kill('SIGTERM');
  assert.equal(await server.ended(), 0);
  assert.doesNotMatch(server.output + server.errors, /waiting for/);
});
