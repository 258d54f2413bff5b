import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
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
  const [answer] = expectResponses(await sendRaw(t, port, GET), [200]);
  assert.equal(answer!.body, 'enough');
  assert.match(String(await log), /write after end/);
});

class Quiet extends RequestHandler {
  static errors: unknown[] = [];
  override logError(error: unknown) {
    Quiet.errors.push(error);
  }
}

test('closes the connection after streaming to an HTTP/1.0 client and ignores further requests', async (t) => {
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
    const response = await within('the answer', fetch(url + query));
    assert.equal(response.status, 500);
    assert.match(String(Quiet.errors[0]), /Silent has sent nothing/);
  }
});
