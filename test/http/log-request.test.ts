import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { LogProcess } from './log-process.ts';
import { within } from './waiting.ts';

const LIMIT = { timeout: 60_000 };
const ADDRESS = /^(?:::ffff:)?127\.0\.0\.1$/;

interface Line {
  status: number;
  milliseconds: number;
  clientLeft: boolean;
}

class Told extends RequestHandler {
  static lines: Line[] = [];
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
  override logRequest(line: Line) {
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
  assert.deepEqual(new Set(Told.lines.map(({ clientLeft }) => clientLeft)), new Set([false]));
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
    Told.lines.map(({ clientLeft }) => clientLeft),
    [true],
  );
});

test('fields of one’s own are one line, and appear in the log: LOG=json', LIMIT, async (t) => {
  const server = new LogProcess(t, 'json');
  await fetch(`http://127.0.0.1:${await server.port()}/fields?user=ann`);
  const lines = await server.lines();
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
    const server = new LogProcess(t, 'text');
    const port = await server.port();
    await fetch(`http://127.0.0.1:${port}/fields?user=ann`);
    await fetch(`http://127.0.0.1:${port}/fields?user=a%1b%0aGET`);
    const [plain, controls, ...more] = await server.lines();
    assert.match(plain!, /GET \/fields\?user=ann 200 [\d.]+ ms.* user=ann tries=2$/);
    assert.match(controls!, / user=a\\u001b\\u000aGET/);
    assert.deepEqual(more, []);
  },
);

/** What a client has sent when it leaves, for how many requests, and what it has received by then. */
const departures: [what: string, path: string, bytes: string, count?: number, until?: string][] = [
  ['before the answer', '/waits?1', requestBytes('GET /waits?1')],
  ['in the middle of a stream', '/waits?stream', requestBytes('GET /waits?stream'), 1, 'begun'],
  [
    'in the middle of its body',
    '/waits?2',
    requestBytes('POST /waits?2', ['Content-Type: application/json', 'Content-Length: 100'], '[1,'),
  ],
  ['before the answers to three requests', '/waits?3', requestBytes('GET /waits?3').repeat(3), 3],
];
for (const log of ['json', 'text'] as const) {
  test(
    `a client that leaves is one line for each of its requests, which says so, and no error: LOG=${log}`,
    LIMIT,
    async (t) => {
      const server = new LogProcess(t, log);
      const port = await server.port();
      for (const [, path, bytes, count = 1, until] of departures) {
        const connection = await Connection.open(t, port);
        connection.send(bytes);
        soundAnswers(await sendRaw(t, port, requestBytes(`GET /waiting/${count}`, ['Connection: close'])), [200]);
        if (until) await connection.until(until);
        connection.socket.destroy();
        await within(
          `the line of ${path}`,
          server.printed(new RegExp(`(?:${path.replace('?', '\\?')}\\b[^]*){${count}}\n`)),
        );
        soundAnswers(await sendRaw(t, port, requestBytes('GET /fields', ['Connection: close'])), [200]);
      }
      const lines = await server.lines();
      for (const [what, path, , count = 1] of departures) {
        const own = lines.filter((line) => line.includes(path));
        assert.equal(own.length, count, `${what}: ${own.join('\n')}`);
        for (const line of own) {
          if (log === 'text') assert.match(line, /, but the client had left/, what);
          else {
            const { clientLeft, address } = JSON.parse(line) as { clientLeft?: boolean; address?: string };
            assert.equal(clientLeft, true, what);
            assert.match(address ?? 'none', ADDRESS, what);
          }
        }
      }
      for (const line of lines.filter((line) => line.includes('/fields'))) {
        assert.doesNotMatch(line, /had left|"clientLeft":true/, 'It got its answer');
      }
      assert.equal(server.errors, '');
    },
  );
}
