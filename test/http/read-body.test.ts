import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { within } from '../waiting.ts';

const LIMIT = { timeout: 20_000 };
const EXPECT = 'Expect: 100-continue';

class Bytes extends RequestHandler {
  override async doPost() {
    const body = await this.readBody();
    return { isBuffer: Buffer.isBuffer(body), hex: body.toString('hex') };
  }
}

class Limited extends RequestHandler {
  static override readonly bodyLimit: number = 20;
  override async doPost() {
    return (await this.readBody()).length;
  }
  override async doPut() {
    return (await this.readBody(30)).length;
  }
  override doPatch() {
    return this.readJson();
  }
}

class LimitedLess extends Limited {
  static override readonly bodyLimit = 5;
}

function announced(requestLine: string, length: number, headers: readonly string[] = []): string {
  return requestBytes(requestLine, [`Content-Length: ${length}`, ...headers]);
}

/** The bytes of a request with this body, after which the connection closes. */
function withBody(requestLine: string, body: Buffer | string, headers: readonly string[] = []): Buffer {
  const head = announced(requestLine, Buffer.byteLength(body), ['Connection: close', ...headers]);
  return Buffer.concat([Buffer.from(head), Buffer.from(body)]);
}

for (const type of [
  [],
  ['Content-Type: image/png'],
  ['Content-Type: application/json'],
  ['Content-Type: a'],
  ['Content-Encoding: gzip'],
]) {
  test(`readBody gives the bytes as they came, with ${type[0] ?? 'no Content-Type'}`, LIMIT, async (t) => {
    const { port } = await listen(t, { '/': Bytes });
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const [answer] = soundAnswers(await sendRaw(t, port, withBody('POST /', bytes, type)), [200]);
    assert.deepEqual(JSON.parse(answer!.body!), { isBuffer: true, hex: bytes.toString('hex') });
  });
}

test('readBody gives an empty Buffer where there is no body, or an empty one', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Bytes });
  const requests = [
    requestBytes('POST /', ['Connection: close']),
    requestBytes('POST /', ['Connection: close', 'Content-Length: 0']),
    requestBytes('POST /', ['Connection: close', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  ];
  for (const bytes of requests) {
    const [answer] = soundAnswers(await sendRaw(t, port, bytes), [200]);
    assert.deepEqual(JSON.parse(answer!.body!), { isBuffer: true, hex: '' });
  }
});

test('readBody puts together what comes in chunks, and in packets that are cut anywhere', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Bytes });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', ['Connection: close', 'Transfer-Encoding: chunked']));
  for (const packet of ['1', '\r\na\r\n2\r\nb', 'c\r\n', '3\r\ndef', '\r\n0\r\n\r\n']) {
    connection.send(packet);
    await new Promise(setImmediate);
  }
  const [answer] = soundAnswers(await connection.untilClosed(), [200]);
  assert.equal(JSON.parse(answer!.body!).hex, Buffer.from('abcdef').toString('hex'));
});

test('a form is one line', LIMIT, async (t) => {
  class Form extends RequestHandler {
    override async doPost() {
      return Object.fromEntries(new URLSearchParams(String(await this.readBody())));
    }
  }
  const { url } = await listen(t, { '/': Form });
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams({ name: 'Jürgen & Söhne', n: '2' }) });
  assert.deepEqual(await response.json(), { name: 'Jürgen & Söhne', n: '2' });
});

const limits: [what: string, requestLine: string, limit: number][] = [
  ["the server's bodyLimit", 'POST /', 10],
  ["the class's own", 'POST /limited', 20],
  ['one that a class overrides', 'POST /less', 5],
  ['the one of the call, before any other', 'PUT /limited', 30],
];
for (const [what, requestLine, limit] of limits) {
  test(
    `readBody refuses what goes over the limit, announced or in chunks, and reads what does not: ${what}`,
    LIMIT,
    async (t) => {
      const { port } = await listen(t, { '/': Bytes, '/limited': Limited, '/less': LimitedLess }, { bodyLimit: 10 });
      soundAnswers(await sendRaw(t, port, withBody(requestLine, 'x'.repeat(limit))), [200]);

      const tooLong = await Connection.open(t, port);
      tooLong.send(announced(requestLine, limit + 1, [EXPECT]));
      const [refused] = soundAnswers(await tooLong.until(/\}$/), [413]);
      assert.match(refused!.body!, new RegExp(`\\b${limit} bytes`));

      const chunked = await Connection.open(t, port);
      chunked.send(requestBytes(requestLine, ['Transfer-Encoding: chunked']));
      chunked.send(`${limit.toString(16)}\r\n${'x'.repeat(limit)}\r\n`);
      chunked.send('1\r\nx\r\n');
      soundAnswers(await chunked.until(/\}$/), [413]);
    },
  );
}

test("a class's own limit holds for readJson too", LIMIT, async (t) => {
  const { port } = await listen(t, { '/limited': Limited }, { bodyLimit: 1_000 });
  const json = (length: number) =>
    withBody('PATCH /limited', JSON.stringify('x'.repeat(length - 2)), ['Content-Type: application/json']);
  soundAnswers(await sendRaw(t, port, json(20)), [200]);
  soundAnswers(await sendRaw(t, port, json(21)), [413]);
});

test("a class's own limit may be above the server's", LIMIT, async (t) => {
  class Upload extends Bytes {
    static override readonly bodyLimit = 5_000_000;
    override async doPost() {
      const body = await this.readBody();
      return { isBuffer: true, hex: String(body.length) };
    }
  }
  const { port } = await listen(t, { '/': Upload }, { bodyLimit: 10 });
  const [answer] = soundAnswers(await sendRaw(t, port, withBody('POST /', Buffer.alloc(5_000_000))), [200]);
  assert.equal(JSON.parse(answer!.body!).hex, '5000000');
  const connection = await Connection.open(t, port);
  connection.send(announced('POST /', 5_000_001));
  soundAnswers(await connection.until(/\}$/), [413]);
});

test('a body can be read once: a second time is an error that says so', LIMIT, async (t) => {
  const logged: unknown[] = [];
  class Twice extends RequestHandler {
    override async doPost() {
      await this.readBody();
      return String(await this.readBody());
    }
    override async doPut() {
      await this.readBody();
      return this.readJson();
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Twice });
  for (const method of ['POST', 'PUT']) {
    soundAnswers(await sendRaw(t, port, withBody(`${method} /`, '{}', ['Content-Type: application/json'])), [500]);
  }
  assert.equal(logged.length, 2);
  for (const error of logged) assert.match(String(error), /read/);
});

test('beside a listener of the method, and a read whose limit is too low, a body is read whole', LIMIT, async (t) => {
  class Beside extends RequestHandler {
    override async doPost() {
      let seen = '';
      this.request.on('data', (chunk) => (seen += chunk));
      const short = assert.rejects(this.readBody(10), /at most 10 bytes/);
      const whole = await this.readJson();
      await short;
      return { whole, seen };
    }
  }
  const { port } = await listen(t, { '/': Beside });
  const body = JSON.stringify({ text: 'a'.repeat(50) });
  const bytes = withBody('POST /', body, ['Content-Type: application/json']);
  const connection = await Connection.open(t, port);
  connection.send(bytes.subarray(0, -30));
  await new Promise(setImmediate);
  connection.send(bytes.subarray(-30));
  const [answer] = soundAnswers(await connection.untilClosed(), [200]);
  assert.deepEqual(JSON.parse(answer!.body!), { whole: JSON.parse(body), seen: body });
});

test('a client that leaves in the middle ends the wait of readBody, and is no error', LIMIT, async (t) => {
  const lines: unknown[] = [];
  let tell!: (error: unknown) => void;
  const told = new Promise((resolve) => (tell = resolve));
  let ended!: () => void;
  const end = new Promise<void>((resolve) => (ended = resolve));
  class Upload extends RequestHandler {
    override async doPost() {
      await this.readBody().catch((error: unknown) => {
        tell(error);
        throw error;
      });
    }
    override logRequest() {
      lines.push('request');
      ended();
    }
    override logError(error: unknown) {
      lines.push(error);
    }
  }
  const { port, server } = await listen(t, { '/': Upload });
  const connection = await Connection.open(t, port);
  connection.send(announced('POST /', 100) + 'half');
  await once(server, 'request');
  connection.socket.resetAndDestroy();
  assert.ok((await within('readBody() to reject', told)) instanceof Error);
  await within('the line of the log', end);
  assert.deepEqual(lines, ['request']);
});

test('a body for readBody that stops in the middle is answered 408', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Bytes }, { requestTimeout: 0.2 });
  const connection = await Connection.open(t, port);
  connection.send(announced('POST /', 100) + 'half');
  soundAnswers(await connection.until(/\}$/), [408]);
});

/** Every way in which people read a request. */
const ways: Record<string, (request: IncomingMessage) => Promise<string>> = {
  'for await': async (request) => {
    let read = '';
    for await (const chunk of request) read += String(chunk);
    return read;
  },
  "on('data')": (request) =>
    new Promise((resolve) => {
      let read = '';
      request.on('data', (chunk) => (read += String(chunk)));
      request.on('end', () => resolve(read));
    }),
  "on('readable')": (request) =>
    new Promise((resolve) => {
      let read = '';
      request.on('readable', () => {
        for (let chunk; (chunk = request.read()) !== null;) read += String(chunk);
      });
      request.on('end', () => resolve(read));
    }),
  'pipe()': (request) => text(request.pipe(new PassThrough())),
  'pipeline()': async (request) => {
    const through = new PassThrough();
    const [read] = await Promise.all([text(through), pipeline(request, through)]);
    return read;
  },
  'text()': (request) => text(request),
  'a read in a later tick': async (request) => {
    await new Promise(setImmediate);
    return text(request);
  },
};
for (const [how, read] of Object.entries(ways)) {
  test(
    `a client that waits for 100 Continue gets it from a method that reads the request itself: ${how}`,
    LIMIT,
    async (t) => {
      class Own extends RequestHandler {
        override doPost() {
          return read(this.request);
        }
      }
      const { port } = await listen(t, { '/': Own });
      const connection = await Connection.open(t, port);
      connection.send(announced('POST /', 4, [EXPECT, 'Connection: close']));
      await within('100 Continue', connection.until('100 Continue'));
      connection.send('body');
      const [, answer] = soundAnswers(await within('the answer', connection.untilClosed()), [100, 200]);
      assert.equal(answer!.body, '"body"');
    },
  );
}

test('a client that waits for 100 Continue gets it from readBody', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Bytes });
  const connection = await Connection.open(t, port);
  connection.send(announced('POST /', 4, [EXPECT, 'Connection: close']));
  await within('100 Continue', connection.until('100 Continue'));
  connection.send('body');
  soundAnswers(await connection.untilClosed(), [100, 200]);
});

test('a client that does not wait for 100 Continue is served just the same', LIMIT, async (t) => {
  class Own extends RequestHandler {
    override doPost() {
      return text(this.request);
    }
  }
  const { port } = await listen(t, { '/': Own, '/bytes': Bytes });
  for (const path of ['/', '/bytes']) {
    const received = await sendRaw(t, port, withBody(`POST ${path}`, 'body', [EXPECT]));
    soundAnswers(received, received.includes(' 100 ') ? [100, 200] : [200]);
  }
});

test('a 401 from a prepare() that looks at the request comes without 100 Continue before it', LIMIT, async (t) => {
  class Guarded extends Bytes {
    override prepare() {
      const { headers, method, url, socket } = this.request;
      if (!headers.authorization)
        throw new HttpError(401, `${method} ${url} from ${socket.remoteAddress}: who are you?`);
    }
  }
  class GuardedLater extends Bytes {
    override async prepare() {
      const { authorization } = this.request.headers;
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      if (!authorization) throw new HttpError(401);
    }
  }
  const { port } = await listen(t, { '/': Guarded, '/later': GuardedLater });
  for (const path of ['/', '/later']) {
    const connection = await Connection.open(t, port);
    connection.send(announced(`POST ${path}`, 4, [EXPECT]));
    const [answer] = soundAnswers(await connection.until(/\}$/), [401]);
    assert.equal(answer!.headers.get('connection'), 'close');

    const granted = await Connection.open(t, port);
    granted.send(announced(`POST ${path}`, 4, [EXPECT, 'Authorization: Bearer x', 'Connection: close']));
    await within('100 Continue', granted.until('100 Continue'));
    granted.send('body');
    soundAnswers(await granted.untilClosed(), [100, 200]);
  }
});

for (const lines of [[EXPECT, EXPECT], ['Expect: 100-continue, 100-continue'], ['Expect: 100-Continue']]) {
  test(`${JSON.stringify(lines)} is met with one 100 Continue`, LIMIT, async (t) => {
    const { port } = await listen(t, { '/': Bytes });
    const connection = await Connection.open(t, port);
    connection.send(announced('POST /', 2, [...lines, 'Connection: close']));
    await within('100 Continue', connection.until('100 Continue'));
    connection.send('[]');
    soundAnswers(await connection.untilClosed(), [100, 200]);
  });
}

test('an empty Expect is no reason to refuse a request', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Bytes });
  const received = await sendRaw(t, port, withBody('POST /', '[]', ['Expect:']));
  soundAnswers(received, received.includes(' 100 ') ? [100, 200] : [200]);
});

test('an HTTP/1.0 client that reads no 100 Continue gets none, however its body is read', LIMIT, async (t) => {
  class Own extends RequestHandler {
    override doPost() {
      return text(this.request);
    }
  }
  const { port } = await listen(t, { '/': Own, '/bytes': Bytes });
  for (const path of ['/', '/bytes']) {
    const bytes = withBody(`POST ${path}`, 'body', [EXPECT]).toString().replace('HTTP/1.1', 'HTTP/1.0');
    soundAnswers(await sendRaw(t, port, bytes), [200]);
  }
});
