import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { type AccessLogEntry, RequestHandler } from '../../src/http/index.ts';
import { Connection, requestBytes } from './support/connection.ts';
import { listen } from './support/listen.ts';
import { untilNoConnections } from './support/within.ts';

const GET = requestBytes('GET /', ['Connection: close']);

for (const stream of [false, true]) {
  const when = stream ? 'during a stream' : 'first';
  test(`aborts the signal if the client disconnects ${when}, and logs one entry`, async (t) => {
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
        return stream ? undefined : { status: 'late' };
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
    await untilNoConnections(server);
    assert.deepEqual(lines, ['request']);
  });
}

test('aborts and logs only the request in flight of a client that pipelined three', async (t) => {
  const entries: AccessLogEntry[] = [];
  const signals: AbortSignal[] = [];
  const events = new EventEmitter();
  class Waits extends RequestHandler {
    override async doGet() {
      signals.push(this.signal);
      events.emit('called');
      await once(this.signal, 'abort');
    }
    override logRequest(entry: AccessLogEntry) {
      entries.push(entry);
    }
  }
  const { port, server } = await listen(t, { '/': Waits });
  const called = once(events, 'called');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /').repeat(3));
  await called;
  connection.socket.destroy();
  await untilNoConnections(server);
  assert.deepEqual(entries.map(({ outcome }) => outcome), ['client disconnected']);
  assert.match(signals[0]!.reason.message, /client/);
});
