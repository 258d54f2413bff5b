import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { type AccessLogEntry, RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { eventually } from '../support/within.ts';

const FILE = fileURLToPath(import.meta.url);

class Returns extends RequestHandler {
  static logged: string[] = [];
  static entries: AccessLogEntry[] = [];
  static streams: Readable[] = [];
  static reset() {
    this.logged = [];
    this.entries = [];
    this.streams = [];
  }
  protected open(path = FILE) {
    const stream = createReadStream(path);
    Returns.streams.push(stream);
    return stream;
  }
  override logError(error: unknown) {
    Returns.logged.push((error as Error).message);
  }
  override logRequest(entry: AccessLogEntry) {
    Returns.entries.push(entry);
  }
}

for (const [what, path] of [['a file', FILE], ['a file that does not exist', '/does/not/exist']] as const) {
  for (const begun of [false, true]) {
    test(`rejects ${what} returned as a stream ${begun ? 'after endHeaders()' : 'by itself'}`, async (t) => {
      class File extends Returns {
        override doGet() {
          if (begun) this.endHeaders();
          return this.open(path);
        }
      }
      Returns.reset();
      const { port } = await listen(t, { '/': File });
      const received = await sendRaw(t, port, requestBytes('GET /', ['Connection: close']));
      await eventually('the file is closed', () => Returns.streams[0]!.closed);
      assert.match(Returns.logged.join(), /return pipeline\(stream, this\.endHeaders\(\)\)/);
      assert.equal(Returns.logged.length, 1);
      // Without the last chunk, the client sees that the response is truncated.
      assert.match(received, begun ? /^HTTP\/1\.1 200 [^]*chunked\r\n\r\n$/ : /^HTTP\/1\.1 500 /);
      assert.deepEqual(Returns.entries.map(({ outcome }) => outcome), [begun ? 'aborted' : undefined]);
    });
  }
}

test('ignores a throwing getter in a value that is returned after the timeout', async (t) => {
  const events = new EventEmitter();
  let isRead = false;
  class Late extends Returns {
    override async doGet() {
      await once(events, 'late');
      return {
        get bad() {
          isRead = true;
          throw new Error('a getter');
        },
      };
    }
  }
  const { port } = await listen(t, { '/': Late }, { handlerTimeout: 0.1 });
  assert.match(await sendRaw(t, port, requestBytes('GET /')), / 503 /);
  events.emit('late');
  await eventually('the value is looked at', () => isRead);
  await new Promise(setImmediate);
});

test('closes a file that is returned after the timeout', async (t) => {
  const events = new EventEmitter();
  class File extends Returns {
    override async doGet() {
      await once(events, 'late');
      return this.open();
    }
  }
  Returns.reset();
  const { port } = await listen(t, { '/': File }, { handlerTimeout: 0.1 });
  assert.match(await sendRaw(t, port, requestBytes('GET /')), / 503 /);
  events.emit('late');
  await eventually('the file is closed', () => Returns.streams[0]?.closed === true);
});

test('waits for the end of a returned body', async (t) => {
  class Returned extends Returns {
    override doGet() {
      const body = this.endHeaders();
      setImmediate(() => body.end('text'));
      return body;
    }
  }
  const { port } = await listen(t, { '/': Returned });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
  assert.equal(response!.body, 'text');
});
