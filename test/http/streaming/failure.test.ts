import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as askFor } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { createServer, HttpError, RequestHandler, type AccessLogEntry } from '../../../src/http/index.ts';
import { Connection, requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { eventually, untilNoConnections, within } from '../support/within.ts';

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

/** Sends half of its body and fails on demand. */
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

for (const version of ['1.0', '1.1']) {
  test(`resets the connection when a source stream fails: HTTP/${version}`, async (t) => {
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

for (const [what, path] of [['a file', '/file'], ['a generator', '/']] as const) {
  test(`logs the error of ${what} once, and the response as aborted`, async (t) => {
    const entries: AccessLogEntry[] = [];
    class Logged extends Fails {
      override logRequest(entry: AccessLogEntry) {
        entries.push(entry);
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
    const { port } = await listen(t, { '/': Logged, '/file': File });
    Quiet.errors = [];
    const connection = await Connection.open(t, port);
    connection.send(requestBytes(`GET ${path}`));
    await connection.until('half');
    Fails.fail!();
    await connection.untilClosed();
    await eventually('the response was logged', () => entries.length > 0);
    assert.deepEqual(Quiet.errors.map(String), ['Error: The disk is gone']);
    assert.deepEqual(entries.map(({ status, outcome }) => [status, outcome]), [[200, 'aborted']]);
  });
}

test('does not lose earlier pipelined responses when a later stream fails', async (t) => {
  class Breaks extends Quiet {
    override async doGet() {
      this.endHeaders().write('half');
      await new Promise(setImmediate);
      throw new Error('broken');
    }
  }
  const { port } = await listen(t, { '/plain': Plain, '/': Breaks });
  const received = await sendRaw(t, port, requestBytes('GET /plain') + requestBytes('GET /'));
  assert.match(received, /"plain"HTTP/);
});

test('destroys a Unix socket, which cannot be reset, when a stream fails', async (t) => {
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
  const [response] = await within('the next response', once(next, 'response'));
  assert.equal(response.resume().statusCode, 200);
});

for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
  test(`resets the connection if a handler throws after its headers: ${version}`, async (t) => {
    const logged: unknown[] = [];
    const read = new EventEmitter();
    class Half extends RequestHandler {
      override async doGet() {
        this.endHeaders().write('half');
        await once(read, 'half');
        throw new HttpError(404, 'too late');
      }
      override logError(error: unknown) {
        logged.push(error);
      }
    }
    const { port } = await listen(t, { '/': Half });
    const connection = await Connection.open(t, port);
    const reset = once(connection.socket, 'error');
    connection.send(`GET / ${version}\r\nHost: 127.0.0.1\r\n\r\n`);
    await connection.until('half');
    read.emit('half');
    const [error] = await reset;
    assert.equal(error.code, 'ECONNRESET');
    assert.doesNotMatch(connection.received, /\r\n0\r\n|too late/);
    assert.equal((logged[0] as Error).message, 'too late');
    assert.equal(logged.length, 1);
  });
}

test('closes the connection if a method fails while the client ends its side', async (t) => {
  const entries: AccessLogEntry[] = [];
  class Half extends RequestHandler {
    override async doGet() {
      this.endHeaders().write('half');
      // Node's own listener has just ended the socket, and its end has not been sent yet.
      await once(this.request.socket, 'end');
      throw new Error('A bug');
    }
    override logRequest(entry: AccessLogEntry) {
      entries.push(entry);
    }
    override logError() {}
  }
  const { server, port } = await listen(t, { '/': Half });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  await connection.until('half');
  connection.socket.end();
  await connection.untilClosed();
  await untilNoConnections(server);
  await eventually('the request was logged', () => entries.length === 1);
});
