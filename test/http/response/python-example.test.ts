import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { listen } from '../support/listen.ts';

test("Python's BaseHTTPRequestHandler example works when ported line by line", async (t) => {
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
