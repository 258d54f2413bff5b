import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpError, RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

class Unread extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return 'unread';
  }
}

/** Base class for prepare() methods that send a response. */
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
  test(`does not run the method if prepare() responds with ${how}`, async (t) => {
    Prepared.called = [];
    Prepared.logged = [];
    const { port } = await listen(t, { '/': HandlerClass });
    const received = await sendRaw(t, port, requestBytes('GET /') + requestBytes('GET /', ['Connection: close']));
    const responses = expectResponses(received, [203, 203]);
    assert.deepEqual(
      responses.map(({ body }) => body),
      ['"prepared"', '"prepared"'],
    );
    assert.deepEqual(Prepared.called, []);
    assert.deepEqual(Prepared.logged, ['request', 'request']);
  });
}

test('runs the handler method if prepare() only sets status and headers', async (t) => {
  class Headers extends Unread {
    override prepare() {
      this.sendResponse(203);
      this.sendHeader('X-Prepared', 'yes');
    }
  }
  const { port } = await listen(t, { '/': Headers });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [203]);
  assert.equal(response!.headers.get('x-prepared'), 'yes');
  assert.equal(response!.body, '"got"');
});

test('awaits prepare() before the method, and lets it reject the request', async (t) => {
  class Guarded extends RequestHandler {
    #user = '';
    override async prepare() {
      await sleep(1);
      this.#user = this.request.headers.authorization ?? '';
      if (!this.#user) throw new HttpError(401, 'Who are you?', { 'WWW-Authenticate': 'Bearer' });
    }
    override doGet() {
      return this.#user;
    }
  }
  const { url } = await listen(t, { '/': Guarded });
  const unauthorized = await fetch(url);
  assert.equal(unauthorized.status, 401);
  assert.equal(unauthorized.headers.get('www-authenticate'), 'Bearer');
  assert.equal(await (await fetch(url, { headers: { authorization: 'me' } })).json(), 'me');
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' },
  });
  assert.equal(preflight.status, 204);
});

for (const [how, HandlerClass] of [
  ['prepare()', class extends Unread { override prepare() { return new HttpError(401, 'Who are you?'); } }],
  ['async prepare()', class extends Unread { override async prepare() { return new HttpError(401, 'Who are you?'); } }],
] as const) {
  test(`rejects the request if ${how} returns an error, as if it had thrown it`, async (t) => {
    const { port } = await listen(t, { '/': HandlerClass });
    const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [401]);
    assert.match(response!.body!, /Who are you\?/);
  });
}

for (const [how, HandlerClass] of [
  ['returns false', class extends Prepared { override prepare() { return false; } }],
  ['resolves with false', class extends Prepared { override async prepare() { return false; } }],
  ['only sets an error status', class extends Prepared { override prepare() { this.sendResponse(401); } }],
  ['only sets the status of a redirect', class extends Prepared { override prepare() { this.sendResponse(303); } }],
] as const) {
  test(`responds 500 and does not run the method if prepare() ${how}`, async (t) => {
    Prepared.called = [];
    Prepared.logged = [];
    const { port } = await listen(t, { '/': HandlerClass });
    expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [500]);
    assert.deepEqual(Prepared.called, []);
    assert.match(String(Prepared.logged), /but the method would run: throw new HttpError\(401\)/);
  });
}

test('sends no header of prepare() that describes a body with an error', async (t) => {
  class Compressed extends RequestHandler {
    override prepare() {
      this.sendHeader('Content-Encoding', 'gzip');
      this.sendHeader('Content-Disposition', 'attachment');
      this.sendHeader('Content-Security-Policy', "default-src 'none'");
    }
    override doGet() {
      throw new HttpError(409);
    }
  }
  const { url } = await listen(t, { '/': Compressed });
  const response = await fetch(url);
  assert.equal((await response.json() as { status: number }).status, 409);
  assert.equal(response.headers.get('content-encoding'), null);
  assert.equal(response.headers.get('content-disposition'), null);
  assert.equal(response.headers.get('content-security-policy'), "default-src 'none'");
});

test('keeps an error status that the constructor sets', async (t) => {
  class Gone extends RequestHandler {
    constructor(...parameters: ConstructorParameters<typeof RequestHandler>) {
      super(...parameters);
      this.sendResponse(410);
    }
    override doGet() {
      return 'moved';
    }
  }
  const { url } = await listen(t, { '/': Gone });
  assert.equal((await fetch(url)).status, 410);
});
