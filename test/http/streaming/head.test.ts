import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { eventually } from '../support/within.ts';

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
  "waits for 'drain'": async (handler) => {
    const body = handler.endHeaders();
    for (;;) {
      await new Promise(setImmediate);
      if (!body.write('more')) await once(body, 'drain');
    }
  },
  'waits for the client to disconnect': async (handler) => {
    handler.endHeaders().write('begun');
    await once(handler.signal, 'abort');
  },
  'waits for the client, and looks later': async (handler) => {
    handler.endHeaders().write('begun');
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (!handler.signal.aborted) await once(handler.signal, 'abort');
  },
};

for (const [what, act] of Object.entries(afterHeaders)) {
  test(`responds to HEAD and stops a handler that ${what}`, async (t) => {
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

test('aborts a HEAD response before a source that never waits has written it all', async (t) => {
  let chunks = 0;
  class Streams extends Quiet {
    override doGet() {
      const source = new Readable({
        read() {
          this.push(++chunks < 100_000 ? 'x'.repeat(1_000) : null);
        },
      });
      return pipeline(source, this.endHeaders());
    }
  }
  const { port } = await listen(t, { '/': Streams });
  assert.match(await sendRaw(t, port, requestBytes('HEAD /', ['Connection: close'])), /^HTTP\/1\.1 200 /);
  assert.ok(chunks < 10_000, `${chunks} chunks`);
});

const sources: Record<string, () => Iterable<string> | AsyncIterable<string> | Readable> = {
  'one chunk': () => ['text'],
  'a file': () => createReadStream(fileURLToPath(import.meta.url)),
  'an endless source': async function* () {
    for (;;) {
      await new Promise(setImmediate);
      yield 'more';
    }
  },
};
for (const [what, open] of Object.entries(sources)) {
  test(`logs no error if pipeline() writes ${what} in response to HEAD`, async (t) => {
    let isSettled = false;
    class Streams extends Quiet {
      override doGet() {
        const piped = pipeline(open(), this.endHeaders());
        const settle = () => (isSettled = true);
        piped.then(settle, settle);
        return piped;
      }
    }
    const { port } = await listen(t, { '/': Streams });
    Quiet.errors = [];
    assert.match(await sendRaw(t, port, requestBytes('HEAD /', ['Connection: close'])), /^HTTP\/1\.1 200 /);
    await eventually('the pipeline settled', () => isSettled);
    await new Promise(setImmediate);
    assert.deepEqual(Quiet.errors, []);
  });
}

test('does not log the abort that stops a HEAD handler, but logs its other errors', async (t) => {
  class Late extends Quiet {
    override async doGet() {
      this.endHeaders();
      if (this.query.has('error')) throw new Error('an error');
      await once(this.signal, 'abort');
      this.signal.throwIfAborted();
    }
  }
  const { port } = await listen(t, { '/': Late });
  Quiet.errors = [];
  const head = (path: string) => requestBytes(`HEAD ${path}`, ['Connection: close']);
  for (const path of ['/', '/?error']) assert.match(await sendRaw(t, port, head(path)), /^HTTP\/1\.1 200 /);
  await eventually('the error was logged', () => Quiet.errors.length > 0);
  assert.deepEqual(Quiet.errors.map(String), ['Error: an error']);
});

test('responds to HEAD on a stream with headers only, and keeps the connection', async (t) => {
  class Stream extends RequestHandler {
    override async doGet() {
      this.endHeaders().write('never seen');
      if (!this.signal.aborted) await once(this.signal, 'abort');
    }
  }
  const { port } = await listen(t, { '/': Stream });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('HEAD /'));
  await connection.until('\r\n\r\n');
  connection.send(requestBytes('HEAD /'));
  assert.match(await connection.until(/\r\n\r\nHTTP[^]*\r\n\r\n/), /^(?!.*never seen)/s);
});
