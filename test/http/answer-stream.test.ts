import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as askFor } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { type AccessLogEntry, RequestHandler, createServer } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { eventually, within } from '../waiting.ts';

const LIMIT = { timeout: 60_000 };

class Quiet extends RequestHandler {
  static errors: unknown[] = [];
  override logError(error: unknown) {
    Quiet.errors.push(error);
  }
}

class Plain extends RequestHandler {
  override doGet() {
    return 'plain';
  }
}

/** Sends half of its body, and fails when it is told to. */
class Fails extends Quiet {
  static fail: (() => void) | undefined;
  override doGet() {
    const failing = new Promise<void>((resolve) => (Fails.fail = resolve));
    const source = async function* () {
      yield 'half';
      await failing;
      throw new Error('The disk is gone');
    };
    return pipeline(source, this.endHeaders());
  }
}

const afterHeaders: Record<string, (handler: RequestHandler) => unknown> = {
  'writes after the end': (handler) => {
    const body = handler.endHeaders();
    body.end('enough');
    body.write('too much');
  },
  'destroys its body with an error': async (handler) => {
    handler.endHeaders().destroy(new Error('broken'));
    await new Promise(setImmediate);
  },
  'has an endless source': (handler) => {
    const source = async function* () {
      for (;;) {
        await new Promise(setImmediate);
        yield 'more';
      }
    };
    return pipeline(source, handler.endHeaders());
  },
  'has an endless source that never waits': (handler) => {
    const source = function* () {
      for (;;) yield 'more';
    };
    return pipeline(source, handler.endHeaders());
  },
  'waits for each of its writes': async (handler) => {
    const body = handler.endHeaders();
    for (;;) await promisify(body.write.bind(body) as (chunk: string, done: () => void) => void)('more');
  },
  'waits for the client to leave': async (handler) => {
    handler.endHeaders().write('begun');
    await once(handler.signal, 'abort');
  },
  'waits for the client to leave, and asks later': async (handler) => {
    handler.endHeaders().write('begun');
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (!handler.signal.aborted) await once(handler.signal, 'abort');
  },
};

for (const [what, act] of Object.entries(afterHeaders)) {
  test(`HEAD of a method that ${what} is answered, and the method ends`, LIMIT, async (t) => {
    let running = 0;
    class Streams extends Quiet {
      override async doGet() {
        running++;
        try {
          return await act(this);
        } finally {
          running--;
        }
      }
    }
    const { port } = await listen(t, { '/': Streams, '/plain': Plain });
    const last = requestBytes('GET /plain', ['Connection: close']);
    const received = await sendRaw(t, port, requestBytes('HEAD /') + last);
    assert.match(received, /^HTTP\/1\.1 200 (?:.+\r\n)+\r\nHTTP\/1\.1 200 (?:.+\r\n)+\r\n"plain"$/);
    await eventually('the method ended', () => running === 0);
  });
}

test('what stops a method that answers HEAD is not logged, and what else goes wrong in it is', LIMIT, async (t) => {
  class Late extends Quiet {
    override async doGet() {
      this.endHeaders();
      if (this.query.has('fault')) throw new Error('a fault');
      await once(this.signal, 'abort');
      this.signal.throwIfAborted();
    }
  }
  const { port } = await listen(t, { '/': Late });
  Quiet.errors = [];
  const head = (path: string) => requestBytes(`HEAD ${path}`, ['Connection: close']);
  for (const path of ['/', '/?fault']) assert.match(await sendRaw(t, port, head(path)), /^HTTP\/1\.1 200 /);
  await eventually('the fault was logged', () => Quiet.errors.length > 0);
  assert.deepEqual(Quiet.errors.map(String), ['Error: a fault']);
});

for (const version of ['1.0', '1.1']) {
  test(`a source that fails ends in a reset, and not as the end of a whole body: HTTP/${version}`, LIMIT, async (t) => {
    const { port } = await listen(t, { '/': Fails });
    const connection = await Connection.open(t, port);
    const reset = within('the reset', once(connection.socket, 'error'));
    connection.send(`GET / HTTP/${version}\r\nHost: 127.0.0.1\r\n\r\n`);
    await connection.until('half');
    Fails.fail!();
    const [error] = (await reset) as [NodeJS.ErrnoException];
    assert.equal(error.code, 'ECONNRESET');
  });
}

for (const [what, path, turn] of [
  ['a file', '/file', 'in its turn'],
  ['a file', '/file', 'before its turn'],
  ['a generator', '/', 'in its turn'],
] as const) {
  test(`${what} that fails in an answer is logged, once, and the answer as cut, ${turn}`, LIMIT, async (t) => {
    const lines: AccessLogEntry[] = [];
    class Logged extends Fails {
      override logRequest(line: AccessLogEntry) {
        lines.push(line);
      }
    }
    class File extends Logged {
      override doGet() {
        const file = new Readable({ read() {} });
        file.push('half');
        Fails.fail = () => file.destroy(new Error('The disk is gone'));
        return pipeline(file, this.endHeaders());
      }
    }
    let release!: () => void;
    class Slow extends RequestHandler {
      override doGet() {
        return new Promise((resolve) => (release = () => resolve('slow')));
      }
    }
    const { port } = await listen(t, { '/': Logged, '/file': File, '/slow': Slow });
    Quiet.errors = [];
    Fails.fail = undefined;
    const connection = await Connection.open(t, port);
    if (turn === 'in its turn') {
      connection.send(requestBytes(`GET ${path}`));
      await connection.until('half');
      Fails.fail!();
    } else {
      connection.send(requestBytes('GET /slow') + requestBytes(`GET ${path}`));
      await eventually('both were called', () => release !== undefined && Fails.fail !== undefined);
      Fails.fail!();
      setImmediate(release);
    }
    await connection.untilClosed();
    await eventually('the answer was logged', () => lines.length > 0);
    assert.deepEqual(Quiet.errors.map(String), ['Error: The disk is gone']);
    assert.deepEqual(lines.map(({ status, outcome }) => ({ status, outcome })), [
      { status: 200, outcome: 'aborted' },
    ]);
  });
}

test('a stream that fails before its turn takes none of the answers before it along', LIMIT, async (t) => {
  let release!: () => void;
  class Slow extends RequestHandler {
    override doGet() {
      return new Promise((resolve) => (release = () => resolve('slow')));
    }
  }
  class Breaks extends Quiet {
    override async doGet() {
      this.endHeaders().write('half');
      await new Promise(setImmediate);
      setImmediate(release);
      throw new Error('broken');
    }
  }
  const { port } = await listen(t, { '/slow': Slow, '/': Breaks });
  const received = await sendRaw(t, port, requestBytes('GET /slow') + requestBytes('GET /'));
  const [answer] = soundAnswers(received, [200]);
  assert.equal(answer!.body, '"slow"');
});

test('to HTTP/1.0 the end of a stream is that of the connection: nothing behind it is served', LIMIT, async (t) => {
  let posts = 0;
  class Streams extends RequestHandler {
    override doGet() {
      this.endHeaders().write('all of it');
    }
    override doPost() {
      return ++posts;
    }
  }
  const { port } = await listen(t, { '/': Streams });
  const ask = (method: string) => `${method} / HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n`;
  const received = await sendRaw(t, port, ask('GET') + ask('POST'));
  assert.match(received, /\r\nConnection: close\r\n[^]*\r\n\r\nall of it$/);
  assert.equal(posts, 0);
});

test('on a Unix socket, which has no reset, a stream that fails is cut too, and no more', LIMIT, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'socket-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'api');
  const server = createServer({ '/': Fails, '/plain': Plain });
  server.listen(path);
  await once(server, 'listening');
  t.after(() => server.close());
  const socket = connect({ path });
  t.after(() => socket.destroy());
  let received = '';
  socket.on('data', (chunk) => (received += chunk)).on('error', () => {});
  socket.write(requestBytes('GET /'));
  await eventually('half of the body came', () => received.includes('half'));
  Fails.fail!();
  await within('the connection closed', once(socket, 'close'));
  assert.doesNotMatch(received, /\r\n0\r\n/);
  const next = askFor({ socketPath: path, path: '/plain', agent: new Agent() }).end();
  const [answer] = await within('the next answer', once(next, 'response'));
  assert.equal(answer.resume().statusCode, 200);
});

test('an endHeaders() that sends nothing is a 500, not a request that waits for ever', LIMIT, async (t) => {
  class Silent extends Quiet {
    override endHeaders() {
      return process.stdout;
    }
    override doGet() {
      return this.query.has('value') ? 'value' : undefined;
    }
  }
  const { url } = await listen(t, { '/': Silent });
  for (const query of ['', '?value']) {
    Quiet.errors = [];
    const response = await within('the answer', fetch(url + query));
    assert.equal(response.status, 500);
    assert.match(String(Quiet.errors[0]), /Silent\.endHeaders\(\) has sent nothing/);
  }
});
