import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { requestBytes, sendRaw } from './connection.ts';

const LIMIT = { timeout: 20_000 };
const CLOSE = ['Connection: close'];

/** Sends the headers of its query, `name:value`, in three ways. */
class Sends extends RequestHandler {
  override doGet() {
    this.#send();
    return 'a value';
  }
  override doPost() {
    this.#send();
    this.endHeaders().end('a stream');
  }
  override doPut() {
    const headers = Object.fromEntries(
      this.query.getAll('h').map((header) => header.split(/:(.*)/, 2) as [string, string]),
    );
    throw new HttpError(409, 'an error', headers);
  }
  override doDelete() {
    this.#send();
  }
  override logError() {}

  #send(): void {
    for (const header of this.query.getAll('h')) this.sendHeader(...(header.split(/:(.*)/, 2) as [string, string]));
  }
}

for (const length of ['abc', '', '-1', '1.5', '1e3', '0x10', '5, 5']) {
  test(`a Content-Length of "${length}" is a 500, on a value as on a stream`, LIMIT, async (t) => {
    const { port } = await listen(t, { '/': Sends });
    for (const method of ['GET', 'POST', 'PUT']) {
      const target = `/?h=${encodeURIComponent(`Content-Length:${length}`)}`;
      const received = await sendRaw(t, port, requestBytes(`${method} ${target}`, CLOSE));
      // Where the length is known, it may be put in place of a wrong one.
      if (method === 'POST') soundAnswers(received, [500]);
      else soundAnswers(received, [received.startsWith('HTTP/1.1 500') ? 500 : method === 'PUT' ? 409 : 200]);
    }
  });
}

test('a 204 has no Content-Length, whatever its method announced', LIMIT, async (t) => {
  class Empty extends RequestHandler {
    override doGet() {
      this.sendResponse(204);
      this.sendHeader('Content-Length', 0);
      if (this.query.has('stream')) this.endHeaders();
    }
  }
  const { url } = await listen(t, { '/': Empty });
  for (const query of ['', '?stream']) {
    const response = await fetch(url + query);
    assert.equal(response.status, 204);
    assert.equal(response.headers.get('content-length'), null);
  }
});

test('a Trailer on an answer without chunks is dropped or a 500, and never the end of the server', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Sends });
  for (const method of ['GET', 'PUT', 'DELETE', 'HEAD', 'POST']) {
    const received = await sendRaw(t, port, requestBytes(`${method} /?h=Trailer:X-Sum`, CLOSE));
    assert.match(received, /^HTTP\/1\.1 (?:200|204|409|500) /, method);
    if (method === 'HEAD') continue;
    const [answer] = soundAnswers(received, [Number(received.slice(9, 12))]);
    if (answer!.headers.get('transfer-encoding') !== 'chunked')
      assert.equal(answer!.headers.get('trailer'), null, method);
  }
  soundAnswers(await sendRaw(t, port, requestBytes('GET /', CLOSE)), [200]);
});

test('of ETag, Location and the like, which an answer has once, the last one counts', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Sends });
  const target =
    '/?h=ETag:"1"&h=Location:/1&h=Content-Type:text/a&h=etag:"2"&h=location:/2&h=content-type:application/json';
  for (const method of ['GET', 'POST', 'DELETE']) {
    const received = await sendRaw(t, port, requestBytes(`${method} ${target}`, CLOSE));
    assert.equal(received.match(/^etag:/gim)?.length, 1, received);
    assert.equal(received.match(/^location:/gim)?.length, 1, received);
    assert.match(received, /^etag: "2"\r$/im);
    assert.match(received, /^location: \/2\r$/im);
    if (method !== 'DELETE') assert.equal(received.match(/^content-type:/gim)?.length, 1, received);
  }
});

test('a header whose name only begins as that of such a header stays beside it', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Sends });
  const target = '/?h=Location-Of-Birth:Paris&h=Location:/1';
  const received = await sendRaw(t, port, requestBytes(`GET ${target}`, CLOSE));
  assert.match(received, /^Location-Of-Birth: Paris\r$/m);
  assert.match(received, /^Location: \/1\r$/m);
});

test(
  'of Set-Cookie, Link and WWW-Authenticate, which an answer may have more than once, each is sent',
  LIMIT,
  async (t) => {
    const { port } = await listen(t, { '/': Sends });
    const received = await sendRaw(
      t,
      port,
      requestBytes(
        'GET /?h=Set-Cookie:a=1&h=Set-Cookie:b=2&h=Link:</a>&h=Link:</b>&h=WWW-Authenticate:A&h=WWW-Authenticate:B',
        CLOSE,
      ),
    );
    for (const name of ['set-cookie', 'link', 'www-authenticate']) {
      const values = received.match(new RegExp(`^${name}: .*`, 'gim'))!.join();
      assert.equal(/1.*2|a.*b|A.*B/.test(values), true, values);
    }
  },
);

test('a sendCorsHeaders() that throws is a 500 that grants nothing, and each time', LIMIT, async (t) => {
  class Throws extends RequestHandler {
    override doGet() {
      return 'never seen';
    }
    override sendCorsHeaders(): void {
      throw new Error('no policy today');
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Throws });
  for (const line of ['GET /', 'PUT /', 'HEAD /']) {
    const received = await sendRaw(t, port, requestBytes(line, CLOSE));
    assert.match(received, /^HTTP\/1\.1 500 /, line);
    assert.doesNotMatch(received, /never seen|no policy today/);
    assert.match(received, /\r\nX-Content-Type-Options: nosniff\r\n/i);
  }
});

test('a sendCorsHeaders() that throws an HttpError is not asked again for ever', LIMIT, async (t) => {
  let calls = 0;
  class Throws extends RequestHandler {
    override doGet() {
      return 'never seen';
    }
    override sendCorsHeaders(): void {
      calls++;
      throw new HttpError(403, 'not today');
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Throws });
  assert.match(await sendRaw(t, port, requestBytes('GET /', CLOSE)), /^HTTP\/1\.1 (?:403|500) /);
  assert.ok(calls < 10, `${calls} calls`);
});
