import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

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

for (const length of ['abc', '', '-1', '1.5', '1e3', '0x10', '5, 5', '12345678901234567890']) {
  test(`rejects a Content-Length of "${length}"`, async (t) => {
    const { port } = await listen(t, { '/': Sends });
    for (const method of ['GET', 'POST', 'PUT']) {
      const target = `/?h=${encodeURIComponent(`Content-Length:${length}`)}`;
      const received = await sendRaw(t, port, requestBytes(`${method} ${target}`, CLOSE));
      // If the length is known, the server may correct the header instead.
      if (method === 'POST') expectResponses(received, [500]);
      else expectResponses(received, [received.startsWith('HTTP/1.1 500') ? 500 : method === 'PUT' ? 409 : 200]);
    }
  });
}

test('removes Content-Length from a 204 response', async (t) => {
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

test('sends a 304 without the length of its empty body', async (t) => {
  class NotModified extends RequestHandler {
    override doGet() {
      this.sendResponse(304);
    }
  }
  const { port } = await listen(t, { '/': NotModified });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('GET /', CLOSE)), [304]);
  assert.equal(response!.headers.get('content-length'), null);
});

test('sends a 304 with the Content-Length that a handler gives to the body of GET', async (t) => {
  class NotModified extends RequestHandler {
    override doGet() {
      this.sendResponse(304);
      this.sendHeader('Content-Length', 1000);
      this.endHeaders().end();
    }
  }
  const { port } = await listen(t, { '/': NotModified });
  const received = await sendRaw(t, port, requestBytes('GET /', CLOSE));
  assert.match(received, /^HTTP\/1\.1 304 [^]*\r\nContent-Length: 1000\r\n/);
});

test('survives a Trailer header on an unchunked response', async (t) => {
  const { port } = await listen(t, { '/': Sends });
  for (const method of ['GET', 'PUT', 'DELETE', 'HEAD', 'POST']) {
    const received = await sendRaw(t, port, requestBytes(`${method} /?h=Trailer:X-Sum`, CLOSE));
    assert.match(received, /^HTTP\/1\.1 (?:200|204|409|500) /, method);
    if (method === 'HEAD') continue;
    const [response] = expectResponses(received, [Number(received.slice(9, 12))]);
    if (response!.headers.get('transfer-encoding') !== 'chunked')
      assert.equal(response!.headers.get('trailer'), null, method);
  }
  expectResponses(await sendRaw(t, port, requestBytes('GET /', CLOSE)), [200]);
});

test('keeps the last value of single-value headers such as ETag and Location', async (t) => {
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

test('keeps a header whose name only starts like a single-value header', async (t) => {
  const { port } = await listen(t, { '/': Sends });
  const target = '/?h=Location-Of-Birth:Paris&h=Location:/1';
  const received = await sendRaw(t, port, requestBytes(`GET ${target}`, CLOSE));
  assert.match(received, /^Location-Of-Birth: Paris\r$/m);
  assert.match(received, /^Location: \/1\r$/m);
});

test('sends every value of Set-Cookie, Link and WWW-Authenticate', async (t) => {
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
});

test('sends the status and headers set before returning a value', async (t) => {
  class Tea extends RequestHandler {
    override doGet() {
      this.sendResponse(203);
      this.sendHeader('Content-Type', 'application/vnd.tea+json');
      this.sendHeader('Cache-Control', 'max-age=60');
      this.sendHeader('X-Cups', 2);
      this.sendHeader('Set-Cookie', 'a=1');
      this.sendHeader('Set-Cookie', 'b=2');
      return { tea: true };
    }
  }
  const { url } = await listen(t, { '/': Tea });
  const response = await fetch(url);
  assert.equal(response.status, 203);
  assert.equal(response.headers.get('content-type'), 'application/vnd.tea+json');
  assert.equal(response.headers.get('cache-control'), 'max-age=60');
  assert.equal(response.headers.get('x-cups'), '2');
  assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
});

test("runs Python's BaseHTTPRequestHandler example when ported line by line", async (t) => {
  class Python extends RequestHandler {
    override doOptions() {
      this.sendResponse(200);
      this.sendCorsHeaders();
      this.endHeaders();
    }
    override doGet() {
      this.sendResponse(200);
      this.sendHeader('Content-Type', 'application/json');
      this.sendCorsHeaders();
      this.endHeaders();
      this.sendJson({ status: 'OK' });
    }
    override async doPost() {
      const received = await this.readJson();
      this.sendResponse(200);
      this.sendCorsHeaders();
      this.endHeaders();
      this.sendJson({ status: 'OK', received });
    }
  }
  const { url } = await listen(t, { '/': Python });
  const origin = 'https://app.example.com';
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST' },
  });
  assert.equal(preflight.status, 200);
  assert.equal(preflight.headers.get('access-control-allow-methods'), 'GET, HEAD, POST, OPTIONS');
  const get = await fetch(url, { headers: { origin } });
  assert.equal(get.headers.get('access-control-allow-origin'), '*');
  assert.equal(get.headers.get('content-type'), 'application/json');
  assert.deepEqual(await get.json(), { status: 'OK' });
  const post = await fetch(url, {
    method: 'POST',
    headers: { origin, 'content-type': 'application/json' },
    body: '[1]',
  });
  assert.deepEqual(await post.json(), { status: 'OK', received: [1] });
});

test('rejects a status or header after the headers were sent', async (t) => {
  class Late extends RequestHandler {
    override doGet() {
      const body = this.endHeaders();
      assert.throws(() => this.sendResponse(503), /too late/);
      assert.throws(() => this.sendHeader('X-A', 'b'), /too late/);
      body.write('in time');
    }
  }
  const { url } = await listen(t, { '/': Late });
  const response = await fetch(url);
  assert.equal(response.status, 200);
  assert.equal(await response.text(), 'in time');
});

test('rejects invalid header names and values in sendHeader()', async (t) => {
  class Injected extends RequestHandler {
    override doGet() {
      assert.throws(() => this.sendHeader('X-A', 'b\r\nSet-Cookie: c'), TypeError);
      assert.throws(() => this.sendHeader('X A', 'b'), TypeError);
      assert.throws(() => this.sendHeader('X-A', undefined as never), /X-A must be/);
      assert.throws(() => this.sendHeader('Set-Cookie', ['a=1', 'b=2'] as never), /for each value/);
      assert.throws(() => this.sendResponse('201' as never), /not '201'/);
      assert.throws(() => this.sendResponse(101), RangeError);
      assert.throws(() => this.sendResponse(600), RangeError);
      return 'rejected';
    }
  }
  const { url } = await listen(t, { '/': Injected });
  assert.equal(await (await fetch(url)).json(), 'rejected');
});
