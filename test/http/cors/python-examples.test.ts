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

/** The Access-Control headers of an answer. */
function corsOf(response: Response): Record<string, string> {
  return Object.fromEntries([...response.headers].filter(([name]) => name.startsWith('access-control-')));
}

test(
  '1, the decorator with fixed headers: on the preflight and again on the answer, and OPTIONS never calls the view',
  async (t) => {
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
    const answer = await fetch(`${url}/view`, preflight('POST'));
    assert.deepEqual(corsOf(answer), {
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
  },
);

test(
  '2, Flask before_request and after_request: any origin echoed on every route, unknown ones too, OPTIONS always ' +
    'succeeds, max-age 10',
  async (t) => {
    const cors: CorsOptions = { origins: () => true, credentials: true, allowedHeaders: '*', maxAge: 10 };
    const { url } = await listen(t, routes, { cors });
    for (const path of ['/', '/items', '/no/such/route']) {
      for (const origin of [page, 'http://localhost:5173']) {
        const answer = await fetch(url + path, { headers: { origin } });
        assert.equal(answer.headers.get('access-control-allow-origin'), origin);
        assert.equal(answer.headers.get('access-control-allow-credentials'), 'true');
        const options = await fetch(url + path, preflight('GET', origin));
        assert.equal(options.status, 204);
        assert.equal(options.headers.get('access-control-allow-origin'), origin);
        assert.equal(options.headers.get('access-control-max-age'), '10');
      }
    }
  },
);

test('3, BaseHTTPRequestHandler: do_OPTIONS, do_GET and do_POST share one helper, `*`, x-api-key', async (t) => {
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

test(
  '4, the crossdomain decorator: one origin or several, methods of the view or given, headers, max-age 21600',
  async (t) => {
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
  },
);

test('4, the crossdomain decorator with attach_to_all=False: only the preflight carries the headers', async (t) => {
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

test('4, the crossdomain decorator with automatic_options=False: your own OPTIONS', async (t) => {
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
  const answer = await fetch(url, preflight('GET'));
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('x-mine'), 'yes');
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.deepEqual(await answer.json(), { read: 'the manual' });
});

test('5, django-cors-headers: CORS_ALLOWED_ORIGINS, _CREDENTIALS, _METHODS, _HEADERS, and ALLOWED_HOSTS', async (t) => {
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

test('5, django-cors-headers with CORS_ALLOW_ALL_ORIGINS: any page', async (t) => {
  const { url } = await listen(t, routes, { cors: { origins: '*' } });
  const anyone = { origin: 'https://anyone.example' };
  assert.deepEqual(corsOf(await fetch(url, { headers: anyone })), { 'access-control-allow-origin': '*' });
});

test(
  "5, Starlette and FastAPI with allow_origins, _methods and _headers=['*'] and allow_credentials: any origin, " +
    'with cookies, visibly',
  async (t) => {
    const { url } = await listen(t, routes, { cors: { origins: () => true, credentials: true, allowedHeaders: '*' } });
    const answer = await fetch(url, {
      method: 'OPTIONS',
      headers: {
        origin: page,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,x-any',
      },
    });
    assert.deepEqual(corsOf(answer), {
      'access-control-allow-origin': page,
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
      'access-control-allow-headers': 'authorization,x-any',
      'access-control-max-age': '600',
    });
  },
);

test('5, flask-cors: CORS(app) for all resources, and per resource', async (t) => {
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
