import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses, parseResponses } from '../support/response.ts';
import { within } from '../support/within.ts';

test('streams server-sent events with CORS headers until the client disconnects', async (t) => {
  let hasEnded!: () => void;
  const ended = new Promise<void>((resolve) => (hasEnded = resolve));
  class Clock extends RequestHandler {
    override async doGet() {
      this.sendHeader('Content-Type', 'text/event-stream');
      const events = this.endHeaders();
      for (let count = 0; !this.signal.aborted; count++) {
        events.write(`data: ${count}\n\n`);
        await Promise.race([once(this.signal, 'abort'), sleep(5)]);
      }
      hasEnded();
    }
  }
  const { url } = await listen(t, { '/': Clock });
  const controller = new AbortController();
  const response = await fetch(url, { headers: { origin: 'https://app.example.com' }, signal: controller.signal });
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  let text = '';
  for await (const chunk of response.body!) {
    text += Buffer.from(chunk).toString();
    if (text.includes('data: 2\n\n')) break;
  }
  controller.abort();
  await ended;
});

test('sends the headers of a stream before its first byte', async (t) => {
  class Silent extends RequestHandler {
    override async doGet() {
      this.endHeaders();
      await once(this.signal, 'abort');
    }
  }
  const { url } = await listen(t, { '/': Silent });
  const controller = new AbortController();
  assert.equal((await fetch(url, { signal: controller.signal })).status, 200);
  controller.abort();
});

const GET = requestBytes('GET /', ['Connection: close']);

test('logs a write after end() and keeps running', async (t) => {
  const logged = new EventEmitter();
  class TooMuch extends RequestHandler {
    override doGet() {
      const body = this.endHeaders();
      body.end('enough');
      body.write('too much');
    }
    override logError(error: unknown) {
      logged.emit('error-logged', error);
    }
  }
  const { port } = await listen(t, { '/': TooMuch });
  const log = once(logged, 'error-logged');
  const [response] = expectResponses(await sendRaw(t, port, GET), [200]);
  assert.equal(response!.body, 'enough');
  assert.match(String(await log), /write after end/);
});

class Quiet extends RequestHandler {
  static errors: unknown[] = [];
  override logError(error: unknown) {
    Quiet.errors.push(error);
  }
}

test('closes the connection after streaming to an HTTP/1.0 client', async (t) => {
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
  assert.match(received, /\r\nConnection: close\r\n[^]*\r\nall of it$/);
  assert.equal(posts, 0);
});

test('responds 500 if an overridden endHeaders() sends nothing', async (t) => {
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
    const response = await within('the response', fetch(url + query));
    assert.equal(response.status, 500);
    assert.match(String(Quiet.errors[0]), /Silent has sent nothing/);
  }
});

class Unread extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return 'unread';
  }
}

/** Sends a body that does not match its Content-Length. */
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
    test(`aborts a response that does not match its Content-Length: ${method}, ${what}`, async (t) => {
      const { port } = await listen(t, { '/': Unread, '/:stated': Length });
      const bytes = requestBytes(`${method} ${path}`) + requestBytes('GET /').repeat(2);
      const received = await within('the server to close', sendRaw(t, port, bytes));
      assert.equal(received.match(/HTTP\/1\.1 /g)?.length ?? 0, received === '' ? 0 : 1, received);
      const stated = Number(path!.slice(1).split('?')[0]);
      const body = received.split('\r\n\r\n').slice(1).join('\r\n\r\n');
      assert.ok('12345678'.slice(0, stated).startsWith(body), `The body is ${JSON.stringify(body)}`);
    });
  }

  test(`streams a body with Content-Length unchunked and keeps the connection: ${method}`, async (t) => {
    const { port } = await listen(t, { '/': Unread, '/:stated': Length });
    const bytes = requestBytes(`${method} /8?part=1234&part=5678`) + requestBytes('GET /', ['Connection: close']);
    const [response] = expectResponses(await sendRaw(t, port, bytes), [200, 200]);
    assert.equal(response!.headers.get('transfer-encoding'), null);
    assert.equal(response!.body, '12345678');
  });
}

test('allows Content-Length in response to HEAD and keeps the connection', async (t) => {
  const { port } = await listen(t, { '/': Unread, '/:stated': Length });
  const received = await sendRaw(
    t,
    port,
    requestBytes('HEAD /8?part=1234') + requestBytes('GET /', ['Connection: close']),
  );
  const [head] = parseResponses(received);
  expectResponses(received, [200, 200]);
  assert.equal(head!.headers.get('content-length'), '8');
});
