import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { PassThrough, Readable, Stream, type Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { untilNoConnections, within } from '../support/within.ts';

/** Returns a stream that takes several event-loop turns. */
function slowly(parts = ['one ', 'two ', 'three']): Readable {
  return Readable.from(
    (async function* () {
      for (const part of parts) {
        await new Promise(setImmediate);
        await new Promise(setImmediate);
        yield part;
      }
    })(),
  );
}

class Piped extends RequestHandler {
  static logged: unknown[] = [];
  override doGet() {
    return slowly().pipe(this.endHeaders());
  }
  override async doPost() {
    await new Promise(setImmediate);
    return slowly().pipe(this.endHeaders());
  }
  override doPut() {
    return pipeline(slowly(), this.endHeaders());
  }
  override async doDelete() {
    const body = this.endHeaders();
    slowly().pipe(body);
    await once(body, 'finish');
  }
  override logRequest() {
    Piped.logged.push('request');
  }
  override logError(error: unknown) {
    Piped.logged.push(error);
  }
}

for (const [how, method] of [
  ['pipe()', 'GET'],
  ['a promise of pipe()', 'POST'],
  ['a promise of pipeline()', 'PUT'],
  ["a promise of 'finish'", 'DELETE'],
]) {
  test(`completes a piped response and keeps the connection: ${how}`, async (t) => {
    Piped.logged = [];
    const { port } = await listen(t, { '/': Piped });
    const received = await sendRaw(
      t,
      port,
      requestBytes(`${method} /`) + requestBytes(`${method} /`, ['Connection: close']),
    );
    const responses = expectResponses(received, [200, 200]);
    assert.deepEqual(
      responses.map(({ body }) => body),
      ['one two three', 'one two three'],
    );
    assert.deepEqual(Piped.logged, ['request', 'request']);
  });
}

test('responds to HEAD on a piped response with headers only, and keeps the connection', async (t) => {
  Piped.logged = [];
  const { port } = await listen(t, { '/': Piped });
  const received = await sendRaw(t, port, requestBytes('HEAD /') + requestBytes('HEAD /', ['Connection: close']));
  assert.doesNotMatch(received, /one/);
  assert.equal(received.match(/^HTTP\/1\.1 200 /gm)?.length, 2);
});

test('aborts a piped response whose stream fails', async (t) => {
  class Breaks extends RequestHandler {
    override doGet() {
      const body = this.endHeaders();
      setImmediate(() => body.destroy(new Error('broken')));
      return Readable.from(['half']).pipe(body, { end: false });
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Breaks });
  const received = await within('the connection closed', sendRaw(t, port, requestBytes('GET /')));
  assert.doesNotMatch(received, /\r\n0\r\n/);
});

test('ends a piped response with one log entry if the client disconnects', async (t) => {
  const events = new EventEmitter();
  const lines: unknown[] = [];
  class Endless extends RequestHandler {
    override doGet() {
      return new Readable({
        read() {
          setImmediate(() => this.push('more'));
        },
      }).pipe(this.endHeaders());
    }
    override logRequest() {
      lines.push('request');
      events.emit('logged');
    }
    override logError(error: unknown) {
      lines.push(error);
    }
  }
  const { port } = await listen(t, { '/': Endless });
  const logged = once(events, 'logged');
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  await connection.until('more');
  connection.socket.destroy();
  await within('the line of the log', logged);
  assert.deepEqual(lines, ['request']);
});

for (const [how, fail] of [
  ['fails', (source: Readable) => source.destroy(new Error('The disk is gone'))],
  ['is destroyed', (source: Readable) => source.destroy()],
] as const) {
  for (const isReturned of [true, false]) {
    test(`aborts a response whose source ${how}, if pipe() was ${isReturned ? '' : 'not '}returned`, async (t) => {
      class Fails extends RequestHandler {
        override doGet() {
          const source = new Readable({ read() {} });
          source.push('half');
          setTimeout(() => fail(source), 10);
          const body = source.pipe(this.endHeaders());
          return isReturned ? body : undefined;
        }
        override logError() {}
      }
      const { port } = await listen(t, { '/': Fails });
      assert.doesNotMatch(await sendRaw(t, port, requestBytes('GET /')), /0\r\n\r\n$/);
    });
  }
}

for (const [how, pipe] of [
  ['pipe()', (source: Readable, body: Writable) => void source.pipe(body)],
  ['pipeline()', (source: Readable, body: Writable) => void pipeline(source, body)],
] as const) {
  test(`sends the whole body of a ${how} without return or await, and logs it`, async (t) => {
    const errors: unknown[] = [];
    class Forgotten extends RequestHandler {
      override doGet() {
        pipe(slowly(), this.endHeaders());
      }
      override logError(error: unknown) {
        errors.push(error);
      }
    }
    const { port } = await listen(t, { '/': Forgotten });
    const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
    assert.equal(response!.body, 'one two three');
    assert.equal(errors.length, 1);
    assert.match(String(errors[0]), /still piped.* return pipeline\(source/);
  });
}

const ENDLESS = () => new Readable({ read() { setImmediate(() => this.push('more')); } });

for (const [when, method, source, leave] of [
  ['the client disconnects', 'GET', ENDLESS, (client: Connection) => client.until('more')],
  ['the client disconnected before endHeaders()', 'POST', ENDLESS, () => Promise.resolve()],
  ['the request is a HEAD', 'HEAD', ENDLESS, (client: Connection) => client.until('\r\n\r\n')],
] as const) {
  test(`destroys the first source of two pipes if ${when}`, async (t) => {
    const events = new EventEmitter();
    class Pipes extends RequestHandler {
      override doGet() {
        const stream = source();
        stream.on('close', () => events.emit('closed'));
        return stream.pipe(new PassThrough()).pipe(this.endHeaders());
      }
      override async doPost() {
        events.emit('called');
        await once(this.signal, 'abort');
        return this.doGet();
      }
      override logError(error: unknown) {
        events.emit('error', error);
      }
    }
    const { port } = await listen(t, { '/': Pipes });
    const [called, closed] = [once(events, 'called'), once(events, 'closed')];
    const client = await Connection.open(t, port);
    client.send(requestBytes(`${method} /`));
    await (method === 'POST' ? within('the method was called', called) : leave(client));
    if (method !== 'HEAD') client.socket.destroy();
    await within('the source closed', closed);
  });
}

test('destroys the source of a stream that is returned without being piped to the body', async (t) => {
  const events = new EventEmitter();
  class Transforms extends RequestHandler {
    override doGet() {
      const stream = ENDLESS();
      stream.on('close', () => events.emit('closed'));
      return stream.pipe(new PassThrough());
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Transforms });
  const closed = once(events, 'closed');
  expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [500]);
  await within('the source closed', closed);
});

test('aborts a response whose source yields objects, and logs the error', async (t) => {
  const errors: unknown[] = [];
  class Rows extends RequestHandler {
    override doGet() {
      return Readable.from(['first', { row: 2 }]).pipe(this.endHeaders());
    }
    override logError(error: unknown) {
      errors.push(error);
    }
  }
  const { port } = await listen(t, { '/': Rows });
  assert.doesNotMatch(await sendRaw(t, port, requestBytes('GET /')), /0\r\n\r\n$/);
  assert.match(String(errors), /^TypeError.*an instance of Object$/);
});

test('keeps a source that is no longer piped to the body when it closes', async (t) => {
  const source = new Readable({ read() {} });
  t.after(() => source.destroy());
  class Unpipes extends RequestHandler {
    override async doGet() {
      const body = this.endHeaders();
      source.pipe(body);
      source.push('piped ');
      await once(source, 'data');
      source.unpipe(body);
      body.end('written');
    }
  }
  const { port } = await listen(t, { '/': Unpipes });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
  assert.equal(response!.body, 'piped written');
  assert.equal(source.destroyed, false);
});

test('keeps a source that is also piped elsewhere if the client disconnects', async (t) => {
  const events = new EventEmitter();
  const copy = new PassThrough();
  class Copies extends RequestHandler {
    override doGet() {
      const source = slowly(['begun', ...Array<string>(100).fill(' more')]);
      source.pipe(copy);
      return source.pipe(this.endHeaders());
    }
    override logRequest() {
      events.emit('logged');
    }
  }
  const { port } = await listen(t, { '/': Copies });
  const [logged, copied] = [once(events, 'logged'), text(copy)];
  const client = await Connection.open(t, port);
  client.send(requestBytes('GET /'));
  await client.until('begun');
  client.socket.destroy();
  await within('the entry was logged', logged);
  assert.equal((await within('the copy ended', copied)).length, 505);
});

test('ignores the error of a source that is destroyed after a disconnect', async (t) => {
  const events = new EventEmitter();
  class CleanUpFails extends RequestHandler {
    override doGet() {
      const source = new Readable({
        read() {
          setImmediate(() => this.push('more'));
        },
        destroy(_error, done) {
          done(new Error('The clean-up has failed'));
          setImmediate(() => events.emit('destroyed'));
        },
      });
      return source.pipe(new PassThrough()).pipe(this.endHeaders());
    }
  }
  const { port } = await listen(t, { '/': CleanUpFails });
  const destroyed = once(events, 'destroyed');
  const client = await Connection.open(t, port);
  client.send(requestBytes('GET /'));
  await client.until('more');
  client.socket.destroy();
  await within('the source was destroyed', destroyed);
});

test('keeps a PassThrough that others write to, although its only response was a HEAD', async (t) => {
  const feed = new PassThrough();
  t.after(() => feed.destroy());
  class Feed extends RequestHandler {
    override doGet() {
      return feed.pipe(this.endHeaders());
    }
  }
  const { port } = await listen(t, { '/': Feed });
  await sendRaw(t, port, requestBytes('HEAD /', ['Connection: close']));
  await new Promise(setImmediate);
  assert.equal(feed.destroyed, false);
});

test('sends what a listener writes in place of a source that has failed', async (t) => {
  class Falls extends RequestHandler {
    override async doGet() {
      const body = this.endHeaders();
      const source = new Readable({ read() { this.destroy(new Error('The file is gone')); } });
      source.pipe(body);
      source.on('error', () => {
        source.unpipe(body);
        body.end('in its place');
      });
      await once(body, 'finish');
    }
  }
  const { port } = await listen(t, { '/': Falls });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
  assert.equal(response!.body, 'in its place');
});

test('completes a response whose source is destroyed after the body was ended', async (t) => {
  const large = 'x'.repeat(4_000_000);
  const logged: unknown[] = [];
  class Cuts extends RequestHandler {
    override async doGet() {
      const source = new Readable({ read() {} });
      const body = this.endHeaders();
      source.pipe(body);
      source.push(large);
      await once(source, 'data');
      body.end('end');
      source.destroy();
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Cuts });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
  assert.equal(response!.body!.length, large.length + 3);
  assert.deepEqual(logged, []);
});

test('survives the error of a legacy stream, which never emits unpipe', async (t) => {
  class Legacy extends RequestHandler {
    override doGet() {
      const source = new Stream();
      source.pipe(this.endHeaders());
      source.emit('error', new Error('A legacy error'));
    }
  }
  const { port } = await listen(t, { '/': Legacy });
  expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
});

test('completes a response whose source is a legacy stream, which never emits unpipe', async (t) => {
  class Legacy extends RequestHandler {
    override doGet() {
      const source = new Stream();
      const body = this.endHeaders();
      source.pipe(body, { end: false });
      source.emit('data', 'from the source');
      source.emit('end');
      source.emit('close');
    }
  }
  const { port } = await listen(t, { '/': Legacy });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
  assert.equal(response!.body, 'from the source');
});

test('leaves no listener of a closed response on a source that responses share', async (t) => {
  const source = new Readable({ read() {} });
  t.after(() => source.destroy());
  source.on('data', () => {});
  class Shares extends RequestHandler {
    override doGet() {
      return source.pipe(this.endHeaders());
    }
  }
  const { port, server } = await listen(t, { '/': Shares });
  for (let time = 0; time < 20; time++) {
    const client = await Connection.open(t, port);
    client.send(requestBytes('GET /'));
    await client.until('HTTP/1.1 200');
    client.socket.destroy();
  }
  await untilNoConnections(server);
  for (const name of ['close', 'error', 'finish', 'end']) assert.ok(source.listenerCount(name) <= 1, name);
  const closed = new Promise((resolve) => source.once('close', resolve));
  source.destroy(new Error('Nothing else listens to this error'));
  await within('the source closed', closed);
});

test('destroys a source that is piped only after the client has disconnected', async (t) => {
  const events = new EventEmitter();
  const source = new Readable({ read() {} });
  class Late extends RequestHandler {
    override async doGet() {
      const body = this.endHeaders();
      await once(events, 'disconnected');
      return source.pipe(body);
    }
    override logRequest() {
      events.emit('disconnected');
    }
  }
  const { port } = await listen(t, { '/': Late });
  const closed = once(source, 'close');
  const client = await Connection.open(t, port);
  client.send(requestBytes('GET /'));
  await client.until('HTTP/1.1 200');
  client.socket.destroy();
  await within('the source closed', closed);
});
