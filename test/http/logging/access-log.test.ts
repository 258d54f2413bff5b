import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpError, RequestHandler, type AccessLogEntry } from '../../../src/http/index.ts';
import { Connection, invalidRequests, requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { ServerProcess } from '../support/server-process.ts';
import { within } from '../support/within.ts';

const ADDRESS = /^(?:::ffff:)?127\.0\.0\.1$/;
const ask = (path: string, headers: string[] = []) => requestBytes(`GET ${path}`, ['Connection: close', ...headers]);

/** One process for all tests, with a new server for each. */
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
      case 'error':
        throw new Error('unexpected');
      case 'created':
        return this.sendResponse(201);
      case 'wait': {
        const disconnected = once(this.signal, 'abort');
        Told.events.emit('waiting');
        return void (await disconnected);
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

test('passes the status of every response to logRequest()', async (t) => {
  Told.lines = [];
  const { url } = await listen(t, { '/:how': Told });
  for (const [how, method] of [
    ['nothing', 'GET'],
    ['created', 'GET'],
    ['conflict', 'GET'],
    ['error', 'GET'],
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

test('passes the duration to logRequest(), even with LOG=off', async (t) => {
  Told.lines = [];
  const { url } = await listen(t, { '/:how': Told }, { log: 'off' });
  const before = performance.now();
  await fetch(`${url}/slow`);
  const most = performance.now() - before;
  const { milliseconds } = Told.lines[0]!;
  // Node's timers may fire a millisecond early.
  assert.ok(milliseconds > 48 && milliseconds <= most, `${milliseconds} of ${most} ms`);
});

test('passes the outcome to logRequest() if the client disconnected', async (t) => {
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

test('logs that the client disconnected if it resets in the middle of a large response', async (t) => {
  const events = new EventEmitter();
  class Large extends RequestHandler {
    override doGet() {
      return 'x'.repeat(20_000_000);
    }
    override logRequest(entry: AccessLogEntry) {
      events.emit('logged', entry);
    }
  }
  const { port } = await listen(t, { '/': Large });
  const logged = once(events, 'logged');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  await connection.until('xxx');
  connection.socket.resetAndDestroy();
  const [{ status, outcome }] = await within('the entry', logged);
  assert.deepEqual([status, outcome], [200, 'client disconnected']);
});

test('logs additional fields: LOG=json', async (t) => {
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

test('logs additional fields on one line, with control characters escaped: LOG=text', async (t) => {
  const { lines } = await server.written({ log: 'text' }, async (port) => {
    await sendRaw(t, port, ask('/fields?user=ann'));
    await sendRaw(t, port, ask('/fields?user=a%1b%0aGET'));
  });
  const [plain, controls, ...more] = lines;
  assert.match(plain!, /GET \/fields\?user=ann 200 [\d.]+ ms.* user=ann tries=2$/);
  assert.match(controls!, / user=a\\u001b\\u000aGET/);
  assert.deepEqual(more, []);
});

test('logs X-Forwarded-For unmodified, in addition to the peer address', async (t) => {
  const { lines } = await server.written({ log: 'json' }, async (port) => {
    await sendRaw(t, port, ask('/proxied', ['X-Forwarded-For: 192.0.2.1, <anything>']));
    await sendRaw(t, port, ask('/direct'));
  });
  const [proxied, direct] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(proxied!.address, '127.0.0.1');
  assert.equal(proxied!.forwardedFor, '192.0.2.1, <anything>');
  assert.ok(!('forwardedFor' in direct!));
});

/** Returns ways to disconnect, each with the bytes sent, the number of requests, and the output to wait for. */
function departuresOf(log: string): [what: string, path: string, bytes: string, count?: number, until?: string][] {
  const [one, stream, body, three] = ['1', 'stream', '2', '3'].map((which) => `/waits?${which}&${log}`);
  const json = ['Content-Type: application/json', 'Content-Length: 100'];
  return [
    ['before the response', one!, requestBytes(`GET ${one}`)],
    ['in the middle of a stream', stream!, requestBytes(`GET ${stream}`), 1, 'begun'],
    ['in the middle of its body', body!, requestBytes(`POST ${body}`, json, '[1,')],
    ['with two requests queued behind one', three!, requestBytes(`GET ${three}`).repeat(3)],
  ];
}

for (const log of ['json', 'text'] as const) {
  test(`logs one entry and no error if the client disconnects in flight: LOG=${log}`, async (t) => {
    const departures = departuresOf(log);
    const { lines, errors } = await server.written({ log }, async (port) => {
      for (const [, path, bytes, count = 1, until] of departures) {
        const connection = await Connection.open(t, port);
        connection.send(bytes);
        expectResponses(await sendRaw(t, port, ask(`/waiting/${count}`)), [200]);
        if (until) await connection.until(until);
        connection.socket.destroy();
        await server.printed(new RegExp(`(?:${path.replace('?', '\\?')}\\b[^]*){${count}}\n`));
        expectResponses(await sendRaw(t, port, ask('/fields')), [200]);
      }
    });
    for (const [what, path, , count = 1] of departures) {
      const own = lines.filter((line) => line.includes(path));
      assert.equal(own.length, count, `${what}: ${own.join('\n')}`);
      for (const line of own) {
        if (log === 'text') assert.match(line, /, client disconnected/, what);
        else {
          const { outcome, address } = JSON.parse(line) as { outcome?: string; address?: string };
          assert.equal(outcome, 'client disconnected', what);
          assert.match(address ?? 'none', ADDRESS, what);
        }
      }
    }
    for (const line of lines.filter((line) => line.includes('/fields'))) {
      assert.doesNotMatch(line, /disconnected/, 'It received its response');
    }
    assert.equal(errors, '');
  });
}

for (const log of ['json', 'text'] as const) {
  test(`logs the status and address of responses to malformed requests: LOG=${log}`, async (t) => {
    const { lines, errors } = await server.written({ log, requestTimeout: 1 }, async (port) => {
      for (const [status, bytes] of invalidRequests) expectResponses(await sendRaw(t, port, bytes), [status]);
      // A connection without input gets no response and no log entry.
      const silent = await Connection.open(t, port);
      assert.equal(await silent.untilClosed(), '');
    });
    assert.equal(lines.length, invalidRequests.length, lines.join('\n'));
    for (const [index, [status]] of invalidRequests.entries()) {
      const line = lines[index]!;
      if (log === 'text') {
        assert.match(line, new RegExp(`\\b${status}\\b`));
        assert.match(line, status === 405 ? /CONNECT example/ : /\(no request\)/);
      } else {
        const { time, status: logged, address, detail } = JSON.parse(line) as Record<string, unknown>;
        assert.equal(logged, status);
        assert.match(String(address), ADDRESS);
        assert.equal(typeof detail, status === 405 ? 'undefined' : 'string');
        assert.ok(!Number.isNaN(Date.parse(String(time))));
      }
    }
    assert.equal(errors, '');
  });
}

test('logs no method and no target for bytes that are not a request: LOG=json', async (t) => {
  const { lines } = await server.written({ log: 'json' }, (port) => sendRaw(t, port, 'garbage\r\n\r\n'));
  const { status, method, target } = JSON.parse(lines[0]!) as Record<string, unknown>;
  assert.deepEqual([status, method, target], [400, undefined, undefined]);
});

test('logs TLS handshakes on the plain HTTP port as such', async (t) => {
  const { lines } = await server.written({ log: 'text' }, async (port) => {
    const hello = Buffer.from('16030100c8010000c40303', 'hex');
    expectResponses(await sendRaw(t, port, hello), [400]);
  });
  assert.match(lines[0]!, / 400 .*This port serves http, not https: use an http:\/\/ URL$/);
});

test('logs an invalid chunk once, as an error of its request', async (t) => {
  const bytes = requestBytes('POST /short', ['Content-Type: application/json', 'Transfer-Encoding: chunked'], 'zz\r\n');
  const { lines } = await server.written({ log: 'json' }, async (port) => {
    const connection = await Connection.open(t, port);
    connection.send(bytes);
    expectResponses(await connection.until(/\}$/), [400]);
    connection.socket.destroy();
  });
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)).map(({ status, target }) => [status, target]),
    [[400, '/short']],
  );
});

test('calls logRequest() once per response', async (t) => {
  const logged: string[] = [];
  class Quiet extends RequestHandler {
    override doGet() {
      return 1;
    }
    override logRequest() {
      logged.push(`${this.request.method} ${this.path}`);
    }
  }
  const { url } = await listen(t, { '/': Quiet });
  await fetch(url);
  await fetch(url, { method: 'PUT' });
  assert.deepEqual(logged, ['GET /', 'PUT /']);
});
