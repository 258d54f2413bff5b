import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { type AccessLogEntry, type HandlerClass, RequestHandler, type ServerOptions } from '../../src/http/index.ts';
import { Connection, requestBytes, sendRaw } from './support/connection.ts';
import { listen } from './support/listen.ts';
import { eventually, untilNoConnections, within } from './support/within.ts';

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

/** Sends a POST to a handler that emits 'called' and waits for 'release', and disconnects between the two. */
async function disconnectBeforeRelease(
  t: TestContext, events: EventEmitter, Handler: HandlerClass, options?: ServerOptions,
): Promise<void> {
  const { port, server } = await listen(t, { '/': Handler }, options);
  const called = once(events, 'called');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', ['Content-Length: 0', 'Origin: https://app.example.com']));
  await within('the server called the code that waits', called);
  connection.socket.destroy();
  await untilNoConnections(server);
  events.emit('release');
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

test('constructs no handler if the client disconnects while a predicate decides', async (t) => {
  const events = new EventEmitter();
  const called: string[] = [];
  class Recorded extends RequestHandler {
    constructor(...parameters: ConstructorParameters<typeof RequestHandler>) {
      super(...parameters);
      called.push('constructor');
    }
    override prepare() {
      called.push('prepare');
    }
    override doPost() {
      called.push('doPost');
    }
  }
  const origins = async () => {
    events.emit('called');
    await once(events, 'release');
    return true;
  };
  await disconnectBeforeRelease(t, events, Recorded, { cors: { origins } });
  assert.deepEqual(called, []);
});

test('does not run the method if the client disconnects during prepare()', async (t) => {
  const events = new EventEmitter();
  const called: string[] = [];
  class Prepared extends RequestHandler {
    override async prepare() {
      events.emit('called');
      await once(events, 'release');
      called.push('prepare');
    }
    override doPost() {
      called.push('doPost');
    }
  }
  await disconnectBeforeRelease(t, events, Prepared);
  assert.deepEqual(called, ['prepare']);
});

test('aborts a signal that is first read after the client has disconnected', async (t) => {
  const events = new EventEmitter();
  const signals: AbortSignal[] = [];
  class Reads extends RequestHandler {
    override async doPost() {
      events.emit('called');
      await once(events, 'release');
      signals.push(this.signal);
    }
  }
  await disconnectBeforeRelease(t, events, Reads);
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true]);
});

test('does not abort the signal of a completed response, whenever it is first read', async (t) => {
  const events = new EventEmitter();
  const signals: AbortSignal[] = [];
  class WorksOn extends RequestHandler {
    override doGet() {
      if (this.query.has('early')) signals.push(this.signal);
      return 'OK';
    }
    override logRequest() {
      signals.push(this.signal);
      events.emit('logged');
    }
  }
  const { url } = await listen(t, { '/': WorksOn });
  for (const query of ['', '?early']) {
    const logged = once(events, 'logged');
    assert.equal(await (await fetch(url + query)).json(), 'OK');
    await within('the entry', logged);
  }
  assert.deepEqual(signals.map(({ aborted }) => aborted), [false, false, false]);
});

test('aborts a signal that is first read after undefined was thrown', async (t) => {
  const signals: AbortSignal[] = [];
  class Throws extends RequestHandler {
    override doGet() {
      throw undefined;
    }
    override logError() {}
    override logRequest() {
      signals.push(this.signal);
    }
  }
  const { url } = await listen(t, { '/': Throws });
  assert.equal((await fetch(url)).status, 500);
  await eventually('the entry', () => signals.length > 0);
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true]);
});

test('destroys a source that the handler pipes after the client has disconnected', async (t) => {
  const events = new EventEmitter();
  const source = new Readable({ read() {} });
  let settled = false;
  class PipesLate extends RequestHandler {
    override async doPost() {
      events.emit('called');
      await once(events, 'release');
      await pipeline(source, this.endHeaders()).finally(() => (settled = true));
    }
  }
  await disconnectBeforeRelease(t, events, PipesLate);
  await eventually('the source was closed, and the promise settled', () => source.closed && settled);
});

test('completes a write to the body after the client has disconnected', async (t) => {
  const events = new EventEmitter();
  const written = once(events, 'written');
  class WritesLate extends RequestHandler {
    override async doPost() {
      events.emit('called');
      await once(events, 'release');
      this.endHeaders().write('late', () => events.emit('written'));
    }
  }
  await disconnectBeforeRelease(t, events, WritesLate);
  await within('the callback', written);
});

test('does not begin a request that is queued on a socket that has been destroyed', async (t) => {
  const called: string[] = [];
  class Unread extends RequestHandler {
    override async doPost() {
      called.push('doPost');
      // The next request is received and queued.
      await new Promise(setImmediate);
      return 'unread';
    }
    override doGet() {
      called.push('doGet');
    }
  }
  const { server, port } = await listen(t, { '/': Unread });
  // Node closes the connection after a response that is sent before the 100 (Continue), and so begins no other.
  server.on('checkContinue', ({ socket }, response) => response.prependListener('finish', () => socket.destroy()));
  const bytes = requestBytes('POST /', ['Expect: 100-continue', 'Content-Length: 4']) + 'body' + requestBytes('GET /');
  await sendRaw(t, port, bytes);
  await untilNoConnections(server);
  assert.deepEqual(called, ['doPost']);
});

test('does not begin a request that is received on a socket that has been destroyed', async (t) => {
  const called: string[] = [];
  class Unread extends RequestHandler {
    override doPost() {
      called.push('doPost');
      return 'unread';
    }
    override doGet() {
      called.push('doGet');
    }
  }
  const { server, port } = await listen(t, { '/': Unread });
  server.on('request', ({ method, socket }, response) => {
    if (method === 'POST') response.prependListener('finish', () => socket.destroy());
  });
  // Node runs the event listeners of the first response before it parses the last of these requests.
  const bytes = requestBytes('POST /') + requestBytes('PUT /', ['Content-Length: 4'], 'body') + requestBytes('GET /');
  await sendRaw(t, port, bytes);
  await untilNoConnections(server);
  assert.deepEqual(called, ['doPost']);
});

class Silent extends RequestHandler {
  static readonly events = new EventEmitter();
  override async doGet() {
    const body = this.endHeaders();
    const large = 'x'.repeat(400_000);
    body.write(large);
    body.write(`${large}end`);
    if (!this.signal.aborted) await once(this.signal, 'abort');
    Silent.events.emit('aborted');
  }
}

for (const [what, bytes] of [
  ['part of a request', 'G'],
  ['part of a body', requestBytes('POST /', ['Content-Length: 5'], 'a')],
  ['invalid bytes', `${requestBytes('GET /')}\0\r\n\r\n`],
  ['an invalid chunk', requestBytes('POST /', ['Transfer-Encoding: chunked'], 'zz\r\n')],
  ['one request too many', requestBytes('GET /', ['Connection: close']) + requestBytes('GET /')],
]) {
  test(`aborts a stream if its client sends ${what} and disconnects`, async (t) => {
    const { port, server } = await listen(t, { '/': Silent });
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('GET /') + bytes);
    await connection.until('end');
    const aborted = once(Silent.events, 'aborted');
    connection.socket.end();
    await within('the signal was aborted', aborted);
    await untilNoConnections(server);
  });
}
