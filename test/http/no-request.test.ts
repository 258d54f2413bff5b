import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { LogProcess } from './log-process.ts';
import { within } from './waiting.ts';

const LIMIT = { timeout: 60_000 };

class Got extends RequestHandler {
  override doGet() {
    return 'got';
  }
}

/** What is answered without a request: by its status. */
const bytesOf: Record<number, string> = {
  400: 'garbage\r\n\r\n',
  405: 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n',
  408: 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n',
  431: requestBytes('GET /', [`X: ${'a'.repeat(17_000)}`]),
};
const statuses = Object.keys(bytesOf).map(Number);

for (const status of statuses) {
  test(`an answer without a request has the Date that every answer must have: ${status}`, LIMIT, async (t) => {
    const { port } = await listen(t, { '/': Got }, { requestTimeout: 0.2 });
    const [answer] = soundAnswers(await sendRaw(t, port, bytesOf[status]!), [status]);
    const date = answer!.headers.get('date');
    assert.match(date ?? 'none', /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
    assert.ok(Math.abs(Date.parse(date!) - Date.now()) < 60_000);
  });
}

for (const log of ['json', 'text'] as const) {
  test(
    `an answer without a request is one line of the log, with its status and the address: LOG=${log}`,
    LIMIT,
    async (t) => {
      const server = new LogProcess(t, log, { requestTimeout: 0.2 });
      const port = await server.port();
      for (const status of statuses) soundAnswers(await sendRaw(t, port, bytesOf[status]!), [status]);
      // Nothing was said, so nothing is answered, and nothing logged.
      const silent = await Connection.open(t, port);
      assert.equal(await within('the silent connection to close', silent.untilClosed()), '');
      const lines = await server.lines();
      assert.equal(lines.length, statuses.length, lines.join('\n'));
      for (const [index, status] of statuses.entries()) {
        const line = lines[index]!;
        if (log === 'text') {
          assert.match(line, new RegExp(`\\b${status}\\b`));
          assert.match(line, /no request/);
        } else {
          const { time, status: logged, address, detail } = JSON.parse(line) as Record<string, unknown>;
          assert.equal(logged, status);
          assert.match(String(address), /^(?:::ffff:)?127\.0\.0\.1$/);
          assert.equal(typeof detail, 'string');
          assert.ok(!Number.isNaN(Date.parse(String(time))));
        }
      }
      assert.equal(server.errors, '');
    },
  );
}

test('a chunk that is none is logged as the fault of its request, once', LIMIT, async (t) => {
  const server = new LogProcess(t, 'json');
  const bytes = requestBytes('POST /short', ['Content-Type: application/json', 'Transfer-Encoding: chunked'], 'zz\r\n');
  const connection = await Connection.open(t, await server.port());
  connection.send(bytes);
  soundAnswers(await connection.until(/\}$/), [400]);
  connection.socket.destroy();
  const lines = (await server.lines()).map((line) => JSON.parse(line) as { status: number; target?: string });
  assert.deepEqual(
    lines.map(({ status, target }) => [status, target]),
    [[400, '/short']],
  );
});
