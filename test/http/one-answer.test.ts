import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { type AccessLogEntry, HttpError, RequestHandler } from '../../src/http/index.ts';
import { parseAnswers, soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { within } from '../waiting.ts';

const LIMIT = { timeout: 20_000 };

class Unread extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return 'unread';
  }
}

const halves: [what: string, request: string, status: number][] = [
  ['of an unknown path', requestBytes('POST /none', ['Content-Length: 10'], '12345'), 404],
  ['of a refused method', requestBytes('PUT /', ['Content-Length: 10'], '12345'), 405],
  ['of a method that does not read it', requestBytes('POST /', ['Content-Length: 10'], '12345'), 200],
  ['of a GET', requestBytes('GET /', ['Content-Length: 10'], '12345'), 200],
];
for (const [what, request, status] of halves) {
  test(`a body ${what} that stops after its answer is answered once, when its time is up`, LIMIT, async (t) => {
    const { port } = await listen(t, { '/': Unread }, { requestTimeout: 0.2 });
    soundAnswers(await within('the server to close', sendRaw(t, port, request)), [status]);
  });

  test(
    `a body ${what} that stops after its answer is answered once, when the client closes its half`,
    LIMIT,
    async (t) => {
      const { port } = await listen(t, { '/': Unread });
      const connection = await Connection.open(t, port);
      connection.send(request);
      await connection.until('\r\n\r\n');
      connection.socket.end();
      soundAnswers(await within('the server to close', connection.untilClosed()), [status]);
    },
  );
}

test('chunks that go wrong after the answer has left are not answered again', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Unread });
  for (const path of ['/', '/none']) {
    const connection = await Connection.open(t, port);
    connection.send(requestBytes(`POST ${path}`, ['Transfer-Encoding: chunked'], '1\r\nx\r\n'));
    await connection.until('\r\n\r\n');
    connection.send('zz\r\n');
    soundAnswers(await within('the server to close', connection.untilClosed()), [path === '/' ? 200 : 404]);
  }
});

test('a stream over a body that stops is answered once', LIMIT, async (t) => {
  class Stream extends RequestHandler {
    override async doPost() {
      const body = this.endHeaders();
      body.write('begun');
      await once(this.signal, 'abort');
    }
  }
  const { port } = await listen(t, { '/': Stream }, { requestTimeout: 0.2 });
  const received = await within(
    'the server to close',
    sendRaw(t, port, requestBytes('POST /', ['Content-Length: 10'], '12345')),
  );
  assert.equal(received.match(/HTTP\/1\.1 /g)?.length, 1);
  assert.doesNotMatch(received, /\r\n0\r\n/);
});

/** A prepare() that answers, each in another way. */
abstract class Prepared extends RequestHandler {
  static called: string[] = [];
  static logged: unknown[] = [];
  override doGet() {
    Prepared.called.push(this.constructor.name);
    return 'from the method';
  }
  override logRequest() {
    Prepared.logged.push('request');
  }
  override logError(error: unknown) {
    Prepared.logged.push(error);
  }
}

const preparations: Record<string, new (...parameters: ConstructorParameters<typeof RequestHandler>) => Prepared> = {
  'sendJson()': class extends Prepared {
    override prepare() {
      this.sendResponse(203);
      this.sendJson('prepared');
    }
  },
  'sendJson(), later': class extends Prepared {
    override async prepare() {
      await new Promise(setImmediate);
      this.sendResponse(203);
      this.sendJson('prepared');
    }
  },
  'endHeaders() and end()': class extends Prepared {
    override prepare() {
      this.sendResponse(203);
      this.sendHeader('Content-Type', 'application/json');
      this.endHeaders().end('"prepared"');
    }
  },
  'endHeaders() and end(), later': class extends Prepared {
    override async prepare() {
      this.sendResponse(203);
      this.sendHeader('Content-Type', 'application/json');
      const body = this.endHeaders();
      body.write('"pre');
      await new Promise(setImmediate);
      body.end('pared"');
      await once(body, 'finish');
    }
  },
};
for (const [how, HandlerClass] of Object.entries(preparations)) {
  test(`a prepare() that answers by itself ends the request: ${how}`, LIMIT, async (t) => {
    Prepared.called = [];
    Prepared.logged = [];
    const { port } = await listen(t, { '/': HandlerClass });
    const received = await sendRaw(t, port, requestBytes('GET /') + requestBytes('GET /', ['Connection: close']));
    const answers = soundAnswers(received, [203, 203]);
    assert.deepEqual(
      answers.map(({ body }) => body),
      ['"prepared"', '"prepared"'],
    );
    assert.deepEqual(Prepared.called, []);
    assert.deepEqual(Prepared.logged, ['request', 'request']);
  });
}

test('a prepare() that only chooses status and headers leaves the answer to the method', LIMIT, async (t) => {
  class Headers extends Unread {
    override prepare() {
      this.sendResponse(203);
      this.sendHeader('X-Prepared', 'yes');
    }
  }
  const { port } = await listen(t, { '/': Headers });
  const [answer] = soundAnswers(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [203]);
  assert.equal(answer!.headers.get('x-prepared'), 'yes');
  assert.equal(answer!.body, '"got"');
});

/** Says one length, and sends another. */
class Length extends RequestHandler {
  override doGet() {
    this.sendHeader('Content-Length', this.param('stated'));
    const body = this.endHeaders();
    for (const part of this.query.getAll('part')) body.write(part);
  }
  override async doPost() {
    this.sendHeader('Content-Length', this.param('stated'));
    const body = this.endHeaders();
    for (const part of this.query.getAll('part')) {
      await new Promise(setImmediate);
      body.write(part);
    }
  }
  override logError() {}
}

for (const method of ['GET', 'POST']) {
  for (const [what, path] of [
    ['too long', '/5?part=1234&part=5678'],
    ['too long at once', '/5?part=12345678'],
    ['too short', '/10?part=1234'],
    ['empty', '/10'],
  ]) {
    test(
      `a stream that breaks its Content-Length is cut, and no answer after it is shifted: ${method}, ${what}`,
      LIMIT,
      async (t) => {
        const { port } = await listen(t, { '/': Unread, '/:stated': Length });
        const bytes = requestBytes(`${method} ${path}`) + requestBytes('GET /').repeat(2);
        const received = await within('the server to close', sendRaw(t, port, bytes));
        assert.equal(received.match(/HTTP\/1\.1 /g)?.length ?? 0, received === '' ? 0 : 1, received);
        const stated = Number(path!.slice(1).split('?')[0]);
        const body = received.split('\r\n\r\n').slice(1).join('\r\n\r\n');
        assert.ok('12345678'.slice(0, stated).startsWith(body), `The body is ${JSON.stringify(body)}`);
      },
    );
  }

  test(
    `a stream that keeps its Content-Length is sent without chunks, and the connection goes on: ${method}`,
    LIMIT,
    async (t) => {
      const { port } = await listen(t, { '/': Unread, '/:stated': Length });
      const bytes = requestBytes(`${method} /8?part=1234&part=5678`) + requestBytes('GET /', ['Connection: close']);
      const [answer] = soundAnswers(await sendRaw(t, port, bytes), [200, 200]);
      assert.equal(answer!.headers.get('transfer-encoding'), null);
      assert.equal(answer!.body, '12345678');
    },
  );
}

test('the answer to HEAD may state a length and send nothing, and the connection goes on', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Unread, '/:stated': Length });
  const received = await sendRaw(
    t,
    port,
    requestBytes('HEAD /8?part=1234') + requestBytes('GET /', ['Connection: close']),
  );
  const [head] = parseAnswers(received);
  soundAnswers(received, [200, 200]);
  assert.equal(head!.headers.get('content-length'), '8');
});

test('an HttpError after a whole answer is no second one, and nothing was cut', LIMIT, async (t) => {
  const outcomes: unknown[] = [];
  class Late extends RequestHandler {
    override async doGet() {
      this.sendJson('whole');
      await new Promise(setImmediate);
      throw new HttpError(404, 'too late');
    }
    override logError() {}
    override logRequest(line: AccessLogEntry) {
      outcomes.push(line.outcome);
    }
  }
  const { port } = await listen(t, { '/': Late, '/next': Unread });
  const received = await sendRaw(t, port, requestBytes('GET /') + requestBytes('GET /next', ['Connection: close']));
  const [first] = soundAnswers(received, [200, 200]);
  assert.equal(first!.body, '"whole"');
  assert.deepEqual(outcomes, [undefined]);
});

test(
  'an answer that waits its turn is not lost where the body behind it breaks after its own answer',
  LIMIT,
  async (t) => {
    class Late extends RequestHandler {
      override async doGet() {
        await once(broken, 'broken');
        return 'late';
      }
    }
    const broken = new EventEmitter();
    const { port, server } = await listen(t, { '/late': Late, '/': Unread });
    server.on('clientError', () => broken.emit('broken'));
    const post = requestBytes('POST /', ['Transfer-Encoding: chunked'], '1\r\na\r\nnot a chunk');
    const received = await within('the end', sendRaw(t, port, requestBytes('GET /late') + post));
    soundAnswers(received, [200, 200]);
  },
);
