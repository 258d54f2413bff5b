import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';

const origin = 'https://app.example.com';

test('rejects an Access-Control header in sendHeader(), and names `static cors`', async (t) => {
  let logged: unknown;
  class ByHand extends RequestHandler {
    override doGet() {
      this.sendHeader('access-control-allow-origin', 'https://mine.example');
    }
    override logError(error: unknown) {
      logged = error;
    }
  }
  const { url } = await listen(t, { '/': ByHand });
  const response = await fetch(url);
  assert.equal(response.status, 500);
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.match(String(logged), /static cors.*ByHand.*sendCorsHeaders\(\)/);
});

test('lets a sendCorsHeaders() override decide for all responses, on errors too', async (t) => {
  class Own extends RequestHandler {
    override doGet() {
      this.sendCorsHeaders();
      if (this.query.has('throw')) throw new HttpError(400);
      return 1;
    }
    override sendCorsHeaders() {
      super.sendCorsHeaders();
      this.sendHeader('Access-Control-Allow-Origin', 'https://own.example');
      this.sendHeader('Vary', 'Origin');
    }
  }
  const { url } = await listen(t, { '/': Own });
  for (const query of ['', '?throw']) {
    const response = await fetch(url + query);
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://own.example');
    assert.equal(response.headers.get('vary'), 'Origin');
  }
});

test('replaces headers added before super.sendCorsHeaders()', async (t) => {
  class Before extends RequestHandler {
    override doGet() {
      return 1;
    }
    override sendCorsHeaders() {
      this.sendHeader('Access-Control-Allow-Origin', 'https://own.example');
      this.sendHeader('Access-Control-Allow-Origin', 'https://other.example');
      if (!this.query.has('own')) super.sendCorsHeaders();
    }
  }
  const { url } = await listen(t, { '/': Before }, { cors: { origins: [origin] } });
  const allowedOrigin = async (query: string) => {
    const { headers } = await fetch(url + query, { headers: { origin } });
    return headers.get('access-control-allow-origin');
  };
  assert.equal(await allowedOrigin(''), origin);
  assert.equal(await allowedOrigin('?own'), 'https://other.example');
});

test("merges the handler's Vary with the policy's, and keeps `*`", async (t) => {
  class Varying extends RequestHandler {
    override doGet() {
      for (const value of this.query.getAll('vary')) this.sendHeader('Vary', value);
      return 1;
    }
  }
  const { url } = await listen(t, { '/': Varying }, { cors: { origins: [origin] } });
  const vary = async (query: string) => (await fetch(`${url}?${query}`)).headers.get('vary');
  assert.equal(await vary(''), 'Origin');
  assert.equal(await vary('vary=Accept'), 'Accept, Origin');
  assert.equal(await vary('vary=Accept&vary=Accept-Language'), 'Accept, Accept-Language, Origin');
  assert.equal(await vary('vary=accept,+origin'), 'accept, origin');
  assert.equal(await vary('vary=Accept&vary=Accept-Language,+accept'), 'Accept, Accept-Language, Origin');
  assert.equal(await vary('vary=*'), '*');
});

const CLOSE = ['Connection: close'];

test('responds 500 without CORS headers if sendCorsHeaders() throws', async (t) => {
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

test('does not recurse if sendCorsHeaders() throws an HttpError', async (t) => {
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
