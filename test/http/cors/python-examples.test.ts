import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';

const page = 'https://app.example.com';

class Status extends RequestHandler {
  override doGet() {
    return { status: 'OK' };
  }
  override async doPost() {
    return { status: 'OK', received: await this.readJson() };
  }
}

const routes = { '/': Status, '/items': Status };

const preflight = (method: string, origin = page) => ({
  method: 'OPTIONS',
  headers: { origin, 'access-control-request-method': method },
});

/** Returns the Access-Control headers of a response. */
function corsOf(response: Response): Record<string, string> {
  return Object.fromEntries([...response.headers].filter(([name]) => name.startsWith('access-control-')));
}

test('replaces a decorator with fixed headers', async (t) => {
  let calls = 0;
  class View extends RequestHandler {
    static override readonly cors: CorsOptions = {
      origins: '*',
      allowedHeaders: ['Content-Type', 'Authorization'],
      maxAge: 3600,
    };
    override doPost() {
      calls++;
      return { done: true };
    }
  }
  const { url } = await listen(t, { '/view': View });
  const response = await fetch(`${url}/view`, preflight('POST'));
  assert.deepEqual(corsOf(response), {
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'POST, OPTIONS',
    'access-control-allow-headers': 'content-type,authorization',
    'access-control-max-age': '3600',
  });
  await fetch(`${url}/view`, { method: 'OPTIONS' });
  assert.equal(calls, 0);
  const posted = await fetch(`${url}/view`, { method: 'POST', headers: { origin: page } });
  assert.deepEqual(corsOf(posted), { 'access-control-allow-origin': '*' });
  assert.equal(calls, 1);
});

test('replaces Flask before_request and after_request', async (t) => {
  const cors: CorsOptions = { origins: () => true, credentials: true, allowedHeaders: '*', maxAge: 10 };
  const { url } = await listen(t, routes, { cors });
  for (const path of ['/', '/items', '/no/such/route']) {
    for (const origin of [page, 'http://localhost:5173']) {
      const response = await fetch(url + path, { headers: { origin } });
      assert.equal(response.headers.get('access-control-allow-origin'), origin);
      assert.equal(response.headers.get('access-control-allow-credentials'), 'true');
      const options = await fetch(url + path, preflight('GET', origin));
      assert.equal(options.status, 204);
      assert.equal(options.headers.get('access-control-allow-origin'), origin);
      assert.equal(options.headers.get('access-control-max-age'), '10');
    }
  }
});

test('replaces a BaseHTTPRequestHandler with a shared helper', async (t) => {
  class Handler extends Status {
    sent = 0;
    override sendCorsHeaders() {
      this.sent++;
      super.sendCorsHeaders();
    }
    override logRequest() {
      assert.equal(this.sent, 1);
    }
  }
  const { url } = await listen(t, { '/': Handler });
  const options = corsOf(await fetch(url, preflight('POST')));
  assert.equal(options['access-control-allow-origin'], '*');
  assert.match(options['access-control-allow-headers']!, /content-type.*x-api-key/);
  assert.equal(options['access-control-allow-methods'], 'GET, HEAD, POST, OPTIONS');
  assert.equal(await (await fetch(url)).text(), '{"status":"OK"}');
  const post = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': '1' },
    body: '{"a":1}',
  });
  assert.equal(await post.text(), '{"status":"OK","received":{"a":1}}');
});

test('replaces the crossdomain decorator', async (t) => {
  class OneOrigin extends RequestHandler {
    static override readonly cors: CorsOptions = {
      origins: [page],
      allowedHeaders: ['X-Requested-With'],
      maxAge: 21_600,
    };
    override doGet() {
      return 1;
    }
    override doPut() {}
  }
  class SeveralOrigins extends OneOrigin {
    static override readonly cors: CorsOptions = {
      origins: [page, 'https://admin.example.com'],
      methods: ['PUT'],
      maxAge: 21_600,
    };
  }
  const { url } = await listen(t, { '/one': OneOrigin, '/several': SeveralOrigins });
  assert.deepEqual(corsOf(await fetch(`${url}/one`, preflight('PUT'))), {
    'access-control-allow-origin': page,
    'access-control-allow-methods': 'GET, HEAD, PUT, OPTIONS',
    'access-control-allow-headers': 'x-requested-with',
    'access-control-max-age': '21600',
  });
  assert.equal((await fetch(`${url}/one`, preflight('PUT', 'https://admin.example.com'))).status, 403);
  const several = await fetch(`${url}/several`, preflight('PUT', 'https://admin.example.com'));
  assert.equal(several.headers.get('access-control-allow-origin'), 'https://admin.example.com');
  assert.equal(several.headers.get('access-control-allow-methods'), 'PUT');
});

test('replaces the crossdomain decorator with attach_to_all=False', async (t) => {
  class PreflightOnly extends RequestHandler {
    override doGet() {
      return 1;
    }
    override sendCorsHeaders() {
      if (this.request.method === 'OPTIONS') super.sendCorsHeaders();
    }
  }
  const { url } = await listen(t, { '/': PreflightOnly });
  assert.equal((await fetch(url, preflight('GET'))).headers.get('access-control-allow-origin'), '*');
  assert.deepEqual(corsOf(await fetch(url, { headers: { origin: page } })), {});
});

test('replaces the crossdomain decorator with automatic_options=False', async (t) => {
  class OwnOptions extends RequestHandler {
    override doGet() {
      return 1;
    }
    override doOptions() {
      this.sendHeader('X-Mine', 'yes');
      return { read: 'the manual' };
    }
  }
  const { url } = await listen(t, { '/': OwnOptions });
  const response = await fetch(url, preflight('GET'));
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('x-mine'), 'yes');
  assert.equal(response.headers.get('access-control-allow-origin'), '*');
  assert.deepEqual(await response.json(), { read: 'the manual' });
});

test('replaces django-cors-headers and ALLOWED_HOSTS', async (t) => {
  const { port } = await listen(t, routes, {
    cors: {
      origins: [page, 'http://localhost:3000'],
      credentials: true,
      methods: ['GET', 'POST'],
      allowedHeaders: ['accept', 'x-csrftoken'],
    },
    allowedHosts: ['localhost'],
  });
  const local = `http://localhost:${port}`;
  for (const origin of [page, 'http://localhost:3000']) {
    assert.deepEqual(corsOf(await fetch(local, preflight('POST', origin))), {
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, POST',
      'access-control-allow-headers': 'accept,x-csrftoken',
      'access-control-max-age': '600',
    });
  }
  assert.equal((await fetch(local, { headers: { origin: 'https://evil.example' } })).status, 403);
  const elsewhere = requestBytes('GET /').replace('127.0.0.1', 'evil.example');
  assert.match(await sendRaw(t, port, elsewhere), /^HTTP\/1\.1 421 /);
});

test('replaces django-cors-headers with CORS_ALLOW_ALL_ORIGINS', async (t) => {
  const { url } = await listen(t, routes, { cors: { origins: '*' } });
  const anyone = { origin: 'https://anyone.example' };
  assert.deepEqual(corsOf(await fetch(url, { headers: anyone })), { 'access-control-allow-origin': '*' });
});

test("replaces Starlette and FastAPI with ['*'] and allow_credentials", async (t) => {
  const { url } = await listen(t, routes, { cors: { origins: () => true, credentials: true, allowedHeaders: '*' } });
  const response = await fetch(url, {
    method: 'OPTIONS',
    headers: {
      origin: page,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,x-any',
    },
  });
  assert.deepEqual(corsOf(response), {
    'access-control-allow-origin': page,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
    'access-control-allow-headers': 'authorization,x-any',
    'access-control-max-age': '600',
  });
});

test('replaces flask-cors, for all resources and for one', async (t) => {
  class Private extends RequestHandler {
    static override readonly cors: CorsOptions = {
      origins: ['https://*.example.com'],
      credentials: true,
      exposedHeaders: ['X-Total-Count'],
    };
    override doGet() {
      return [];
    }
  }
  const { url } = await listen(t, { ...routes, '/private': Private });
  const anyone = { origin: 'https://anyone.example' };
  assert.deepEqual(corsOf(await fetch(`${url}/items`, { headers: anyone })), { 'access-control-allow-origin': '*' });
  assert.deepEqual(corsOf(await fetch(`${url}/private`, { headers: { origin: page } })), {
    'access-control-allow-origin': page,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'x-total-count',
  });
  assert.equal((await fetch(`${url}/private`, { headers: { origin: 'https://anyone.example' } })).status, 403);
});
