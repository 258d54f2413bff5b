import assert from 'node:assert/strict';
import { once } from 'node:events';
import { METHODS, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { HttpError, RequestHandler, type StandardSchema, createServer } from '../../src/http/index.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes } from './connection.ts';

test('every method of HTTP has its do-method, named in camel case', async (t) => {
  class Everything extends RequestHandler {}
  const methods = METHODS.filter((method) => !['CONNECT', 'TRACE', 'HEAD', 'OPTIONS'].includes(method));
  for (const method of methods) {
    const name = `do${method.split('-').map((part) => part[0] + part.slice(1).toLowerCase()).join('')}`;
    Object.defineProperty(Everything.prototype, name, { value: () => ({ method }) });
  }
  const { port } = await listen(t, { '/': Everything });
  for (const method of methods) {
    const request = httpRequest({ port, host: '127.0.0.1', method }).end();
    const [response] = await once(request, 'response');
    assert.deepEqual(JSON.parse(Buffer.concat(await response.toArray()).toString()), { method });
  }
});

test('undefined answers 204, null answers 200 null, a promise what it settles to', async (t) => {
  class Values extends RequestHandler {
    override doGet() {
      return { nothing: undefined, null: null, later: sleep(1, 'later') }[this.param('which')];
    }
  }
  const { url } = await listen(t, { '/:which': Values });
  assert.equal((await fetch(`${url}/nothing`)).status, 204);
  assert.equal(await (await fetch(`${url}/null`)).text(), 'null');
  assert.equal(await (await fetch(`${url}/later`)).text(), '"later"');
});

test('a status and headers that a method chose go with the value that it returns', async (t) => {
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

test('path, query and param say what the target says', async (t) => {
  class Target extends RequestHandler {
    override doGet() {
      return [this.path, this.query.getAll('q'), this.param('a'), this.param('b')];
    }
  }
  const { url } = await listen(t, { '/x/:a/y/:b': Target });
  const response = await fetch(`${url}/x/%2Fone%20two/y/3?q=4&q=%C3%A4?`);
  assert.deepEqual(await response.json(), ['/x/%2Fone%20two/y/3', ['4', 'ä?'], '/one two', '3']);
});

test(
  'a literal part of a path goes before a parameter, and a path that fails further on is tried with it again',
  async (t) => {
    const answering = (name: string) =>
      class extends RequestHandler {
        override doGet() {
          return name;
        }
      };
    const { url } = await listen(t, {
      '/a/new': answering('new'),
      '/a/:id': answering('id'),
      '/a/new/c': answering('c'),
      '/a/:id/d': answering('d'),
    });
    for (const [path, name] of [['/a/new', 'new'], ['/a/1', 'id'], ['/a/new/c', 'c'], ['/a/new/d', 'd']]) {
      assert.equal(await (await fetch(url + path)).json(), name);
    }
    assert.equal((await fetch(`${url}/a/1/e`)).status, 404);
  },
);

test('prepare runs before the method, is awaited, and can refuse', async (t) => {
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
  const refused = await fetch(url);
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get('www-authenticate'), 'Bearer');
  assert.equal(await (await fetch(url, { headers: { authorization: 'me' } })).json(), 'me');
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: { origin: 'https://a.example', 'access-control-request-method': 'GET' },
  });
  assert.equal(preflight.status, 204);
});

test('a plain value is answered in the tick of its request', async (t) => {
  let endedInTick: boolean | undefined;
  class Now extends RequestHandler {
    override doGet() {
      return 'now';
    }
    override logRequest() {
      endedInTick = isInTick;
    }
  }
  let isInTick = false;
  const { server, url } = await listen(t, { '/': Now });
  server.prependListener('request', () => {
    isInTick = true;
    queueMicrotask(() => (isInTick = false));
  });
  await (await fetch(url)).text();
  assert.equal(endedInTick, true);
});

test("Python's example, ported line for line, works as it stands", async (t) => {
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

test('server-sent events leave one by one, CORS headers first, until the client leaves', async (t) => {
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

test('the headers of a stream leave before its first byte', async (t) => {
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

test('HEAD on a stream sends its headers, and the connection goes on', async (t) => {
  class Stream extends RequestHandler {
    override async doGet() {
      this.endHeaders().write('never seen');
      if (!this.signal.aborted) await once(this.signal, 'abort');
    }
  }
  const { port } = await listen(t, { '/': Stream });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('HEAD /'));
  await connection.until('\r\n\r\n');
  connection.send(requestBytes('HEAD /'));
  assert.match(await connection.until(/\r\n\r\nHTTP[^]*\r\n\r\n/), /^(?!.*never seen)/s);
});

test('a status or a header is refused once the headers have left: it could not be sent', async (t) => {
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

test('a header that no message can have is refused where it is sent', async (t) => {
  class Injected extends RequestHandler {
    override doGet() {
      assert.throws(() => this.sendHeader('X-A', 'b\r\nSet-Cookie: c'), TypeError);
      assert.throws(() => this.sendHeader('X A', 'b'), TypeError);
      assert.throws(() => this.sendResponse(101), RangeError);
      assert.throws(() => this.sendResponse(600), RangeError);
      return 'refused';
    }
  }
  const { url } = await listen(t, { '/': Injected });
  assert.equal(await (await fetch(url)).json(), 'refused');
});

test('readJson takes any Standard Schema by its shape, and answers 422 with the path of each issue', async (t) => {
  // What zod, valibot and arktype hand over: a function or class instance with more on it than the interface says.
  const schema: StandardSchema<{ n: number }> = Object.assign(() => {}, {
    parse: () => {},
    '~standard': {
      version: 1 as const,
      vendor: 'third-party',
      validate: async (value: unknown) =>
        typeof (value as { n?: unknown }).n === 'number'
          ? { value: { n: (value as { n: number }).n * 2 } }
          : { issues: [{ message: 'no number', path: ['list', { key: 0 }, 'a/b~c ü'] }, { message: 'nothing' }] },
    },
  });
  class Doubled extends RequestHandler {
    override async doPost() {
      const { n } = await this.readJson(schema);
      return n;
    }
  }
  const { url } = await listen(t, { '/': Doubled });
  const post = (body: string) => fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  assert.equal(await (await post('{"n":21}')).json(), 42);
  const refused = await post('{}');
  assert.equal(refused.status, 422);
  const { errors } = (await refused.json()) as { errors: unknown };
  assert.deepEqual(errors, [
    { detail: 'no number', pointer: '#/list/0/a~1b~0c%20%C3%BC' },
    { detail: 'nothing', pointer: '#' },
  ]);
});

test('logRequest is called once an answer, and can be overridden', async (t) => {
  const logged: string[] = [];
  class Quiet extends RequestHandler {
    override doGet() {
      return 1;
    }
    override logRequest() {
      logged.push(`${this.request.method} ${this.path}`);
    }
  }
  const { url } = await listen(t, { '/': Quiet });
  await fetch(url);
  await fetch(url, { method: 'PUT' });
  assert.deepEqual(logged, ['GET /', 'PUT /']);
});

test('a thenable is awaited as a promise is, from the method and from prepare()', async (t) => {
  // No promise's then(): it returns nothing, and hands on another thenable as it is.
  const queryOf = (rows: unknown) => ({ then: (resolve: (rows: unknown) => void) => void setImmediate(resolve, rows) });
  class Query extends RequestHandler {
    override doGet() {
      return queryOf(queryOf([1, 2]));
    }
  }
  class Prepared extends Query {
    override prepare() {
      return queryOf(undefined);
    }
  }
  const { url } = await listen(t, { '/': Query, '/prepared': Prepared });
  for (const path of ['/', '/prepared']) assert.deepEqual(await (await fetch(url + path)).json(), [1, 2], path);
});

test('creating a server is not listening', () => {
  const server = createServer({});
  assert.equal(server.listening, false);
  assert.equal(server.address(), null);
});
