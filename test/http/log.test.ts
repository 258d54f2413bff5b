import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TestContext, after, test } from 'node:test';
import { type AccessLogEntry, HttpError, RequestHandler } from '../../src/http/index.ts';
import { type Answer, soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, noRequests, requestBytes, sendRaw } from './connection.ts';
import { ServerProcess } from './server-process.ts';
import { within } from '../waiting.ts';

const LIMIT = { timeout: 60_000 };
const ADDRESS = /^(?:::ffff:)?127\.0\.0\.1$/;
const ask = (path: string, headers: string[] = []) => requestBytes(`GET ${path}`, ['Connection: close', ...headers]);

/** One process for all, and for each a server of its own in it. */
const server = new ServerProcess({ after }, { log: 'text' });

class Told extends RequestHandler {
  static lines: AccessLogEntry[] = [];
  static events = new EventEmitter();
  override async doGet() {
    switch (this.param('how')) {
      case 'slow':
        return sleep(50, 'slow');
      case 'conflict':
        throw new HttpError(409);
      case 'fault':
        throw new Error('fault');
      case 'created':
        return this.sendResponse(201);
      case 'wait': {
        const left = once(this.signal, 'abort');
        Told.events.emit('waiting');
        return void (await left);
      }
      default:
        return undefined;
    }
  }
  override logRequest(line: AccessLogEntry) {
    Told.lines.push({ ...line });
    Told.events.emit('logged');
  }
  override logError() {}
}

test('logRequest is told the status of every answer', LIMIT, async (t) => {
  Told.lines = [];
  const { url } = await listen(t, { '/:how': Told });
  for (const [how, method] of [
    ['nothing', 'GET'],
    ['created', 'GET'],
    ['conflict', 'GET'],
    ['fault', 'GET'],
    ['nothing', 'PUT'],
    ['nothing', 'OPTIONS'],
  ]) {
    await fetch(`${url}/${how}`, { method: method! });
  }
  assert.deepEqual(
    Told.lines.map(({ status }) => status),
    [204, 201, 409, 500, 405, 204],
  );
  assert.deepEqual(new Set(Told.lines.map(({ outcome }) => outcome)), new Set([undefined]));
});

test('logRequest is told how many milliseconds the answer took, even where no log is written', LIMIT, async (t) => {
  Told.lines = [];
  const { url } = await listen(t, { '/:how': Told }, { log: 'off' });
  const before = performance.now();
  await fetch(`${url}/slow`);
  const most = performance.now() - before;
  const { milliseconds } = Told.lines[0]!;
  // A timer of Node's may fire a millisecond early.
  assert.ok(milliseconds > 48 && milliseconds <= most, `${milliseconds} of ${most} ms`);
});

test('logRequest is told that the client had left', LIMIT, async (t) => {
  Told.lines = [];
  const { port } = await listen(t, { '/:how': Told });
  const waiting = once(Told.events, 'waiting');
  const logged = once(Told.events, 'logged');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /wait'));
  await within('the request to arrive', waiting);
  connection.socket.destroy();
  await within('the line of the log', logged);
  assert.deepEqual(
    Told.lines.map(({ outcome }) => outcome),
    ['client disconnected'],
  );
});

test('fields of one’s own are one line, and appear in the log: LOG=json', LIMIT, async (t) => {
  const { lines } = await server.written({ log: 'json' }, (port) => sendRaw(t, port, ask('/fields?user=ann')));
  assert.equal(lines.length, 1);
  const { time, method, target, status, milliseconds, address, user, tries } = JSON.parse(lines[0]!) as Record<
    string,
    unknown
  >;
  assert.deepEqual([method, target, status, user, tries], ['GET', '/fields?user=ann', 200, 'ann', 2]);
  assert.match(String(address), ADDRESS);
  assert.equal(typeof milliseconds, 'number');
  assert.ok(!Number.isNaN(Date.parse(String(time))));
});

test(
  'fields of one’s own are one line, and appear in the log, without control characters: LOG=text',
  LIMIT,
  async (t) => {
    const { lines } = await server.written({ log: 'text' }, async (port) => {
      await sendRaw(t, port, ask('/fields?user=ann'));
      await sendRaw(t, port, ask('/fields?user=a%1b%0aGET'));
    });
    const [plain, controls, ...more] = lines;
    assert.match(plain!, /GET \/fields\?user=ann 200 [\d.]+ ms.* user=ann tries=2$/);
    assert.match(controls!, / user=a\\u001b\\u000aGET/);
    assert.deepEqual(more, []);
  },
);

test('the JSON line has X-Forwarded-For as it came, beside the address of the peer', LIMIT, async (t) => {
  const { lines } = await server.written({ log: 'json' }, async (port) => {
    await sendRaw(t, port, ask('/proxied', ['X-Forwarded-For: 192.0.2.1, <anything>']));
    await sendRaw(t, port, ask('/direct'));
  });
  const [proxied, direct] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(proxied!.address, '127.0.0.1');
  assert.equal(proxied!.forwardedFor, '192.0.2.1, <anything>');
  assert.ok(!('forwardedFor' in direct!));
});

/** What a client has sent when it leaves, for how many requests, and what it has received by then. */
function departuresOf(log: string): [what: string, path: string, bytes: string, count?: number, until?: string][] {
  const [one, stream, body, three] = ['1', 'stream', '2', '3'].map((which) => `/waits?${which}&${log}`);
  const json = ['Content-Type: application/json', 'Content-Length: 100'];
  return [
    ['before the answer', one!, requestBytes(`GET ${one}`)],
    ['in the middle of a stream', stream!, requestBytes(`GET ${stream}`), 1, 'begun'],
    ['in the middle of its body', body!, requestBytes(`POST ${body}`, json, '[1,')],
    ['before the answers to three requests', three!, requestBytes(`GET ${three}`).repeat(3), 3],
  ];
}

for (const log of ['json', 'text'] as const) {
  test(
    `a client that leaves is one line for each of its requests, which says so, and no error: LOG=${log}`,
    LIMIT,
    async (t) => {
      const departures = departuresOf(log);
      const { lines, errors } = await server.written({ log }, async (port) => {
        for (const [, path, bytes, count = 1, until] of departures) {
          const connection = await Connection.open(t, port);
          connection.send(bytes);
          soundAnswers(await sendRaw(t, port, ask(`/waiting/${count}`)), [200]);
          if (until) await connection.until(until);
          connection.socket.destroy();
          await server.printed(new RegExp(`(?:${path.replace('?', '\\?')}\\b[^]*){${count}}\n`));
          soundAnswers(await sendRaw(t, port, ask('/fields')), [200]);
        }
      });
      for (const [what, path, , count = 1] of departures) {
        const own = lines.filter((line) => line.includes(path));
        assert.equal(own.length, count, `${what}: ${own.join('\n')}`);
        for (const line of own) {
          if (log === 'text') assert.match(line, / ms, client disconnected/, what);
          else {
            const { outcome, address } = JSON.parse(line) as { outcome?: string; address?: string };
            assert.equal(outcome, 'client disconnected', what);
            assert.match(address ?? 'none', ADDRESS, what);
          }
        }
      }
      for (const line of lines.filter((line) => line.includes('/fields'))) {
        assert.doesNotMatch(line, /client disconnected/, 'It got its answer');
      }
      assert.equal(errors, '');
    },
  );
}

for (const log of ['json', 'text'] as const) {
  test(
    `an answer without a request is one line of the log, with its status and the address: LOG=${log}`,
    LIMIT,
    async (t) => {
      const { lines, errors } = await server.written({ log, requestTimeout: 0.2 }, async (port) => {
        for (const [status, bytes] of noRequests) soundAnswers(await sendRaw(t, port, bytes), [status]);
        // Nothing was said, so nothing is answered, and nothing logged.
        const silent = await Connection.open(t, port);
        assert.equal(await silent.untilClosed(), '');
      });
      assert.equal(lines.length, noRequests.length, lines.join('\n'));
      for (const [index, [status]] of noRequests.entries()) {
        const line = lines[index]!;
        if (log === 'text') {
          assert.match(line, new RegExp(`\\b${status}\\b`));
          assert.match(line, /no request/);
        } else {
          const { time, status: logged, address, detail } = JSON.parse(line) as Record<string, unknown>;
          assert.equal(logged, status);
          assert.match(String(address), ADDRESS);
          assert.equal(typeof detail, 'string');
          assert.ok(!Number.isNaN(Date.parse(String(time))));
        }
      }
      assert.equal(errors, '');
    },
  );
}

test('a client that speaks TLS to the port is logged as such', LIMIT, async (t) => {
  const { lines } = await server.written({ log: 'text' }, async (port) => {
    const hello = Buffer.from('16030100c8010000c40303', 'hex');
    soundAnswers(await sendRaw(t, port, hello), [400]);
  });
  assert.match(lines[0]!, / 400 .*This port speaks http, not https: write http:\/\/ in its address$/);
});

test('a chunk that is none is logged as the fault of its request, once', LIMIT, async (t) => {
  const bytes = requestBytes('POST /short', ['Content-Type: application/json', 'Transfer-Encoding: chunked'], 'zz\r\n');
  const { lines } = await server.written({ log: 'json' }, async (port) => {
    const connection = await Connection.open(t, port);
    connection.send(bytes);
    soundAnswers(await connection.until(/\}$/), [400]);
    connection.socket.destroy();
  });
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ status, target }) => [status, target]),
    [[400, '/short']],
  );
});

const ways = [
  'cause', 'causes', 'errors', 'fetch', 'code', 'circle', 'crowd', 'hidden', 'revoked', 'controls', 'text', 'object',
  'null', 'plain',
];

/** What is on standard error once each way to fail has been gone, for the tests that read it. */
const gone: Record<string, Promise<{ errors: string }>> = {};

async function errorsOf(t: TestContext, log: 'text' | 'json'): Promise<string> {
  gone[log] ??= server.written({ log }, async (port) => {
    for (const way of ways) {
      const [{ body }] = soundAnswers(await sendRaw(t, port, ask(`/fails/${way}`)), [500]) as [Answer];
      assert.doesNotMatch(body!, /failed|refused|ECONN/);
    }
  });
  return (await gone[log]).errors;
}

interface Entry {
  time: string;
  level: string;
  where: string;
  error: string;
  code?: string;
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
    assert.match(plain.error, /^Error: plain\n +at .*spawned-server\.ts/);
    assert.deepEqual(
      Object.keys(plain).filter((name) => name === 'code'),
      [],
    );

    assert.match(entry('cause').error, /^Error: outer failed\n +at [^]*\[cause\]: Error: inner refused\n/);
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
  },
);

test(
  'the log in text shows each error as util.inspect does, with its code, its causes and the errors that it gathers',
  LIMIT,
  async (t) => {
    const errors = await errorsOf(t, 'text');
    for (const way of ways) assert.equal(errors.match(new RegExp(` Fails GET /fails/${way}\\n`, 'g'))?.length, 1, way);
    for (const shown of [
      /Error: plain\n +at .*spawned-server\.ts/,
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

test('a logError() that throws about a stream is logged in its place, and is no reason to stop', LIMIT, async (t) => {
  const { errors } = await server.written({ log: 'text' }, async (port) => {
    for (const _ of [1, 2]) soundAnswers(await sendRaw(t, port, ask('/fails-to-log')), [200]);
  });
  assert.equal(errors.match(/ logError\n +Error: The log is gone\n/g)?.length, 2, errors);
});

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

for (const log of ['json', 'text', 'off'] as const) {
  test(
    `the log names the handler, and has the message and the stack of what the client is told nothing about: LOG=${log}`,
    LIMIT,
    async (t) => {
      const { lines, errors } = await server.written({ log }, async (port) => {
        soundAnswers(await sendRaw(t, port, ask('/big')), [500]);
      });
      assert.match(errors, /BigIntHandler GET \/big/);
      assert.match(errors, /TypeError: .*BigInt/);
      assert.match(errors, /request-handler\.ts/);
      if (log === 'json') assert.equal(JSON.parse(errors).level, 'error');
      assert.equal(lines.join('\n').match(/\b500\b/g)?.length ?? 0, log === 'off' ? 0 : 1);
    },
  );
}

// The last test, for it ends the process.
test('on a stop that waits for nothing, LOG=text says nothing of waiting', LIMIT, async () => {
  server.child.kill('SIGTERM');
  assert.equal(await server.ended(), 0);
  assert.doesNotMatch(server.output + server.errors, /waiting for/);
});
