import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

for (const target of [
  '//', '//127.0.0.1/', '//evil.example/x', '///', '/%zz', '/%00', '/%', '/..', '/../../etc/passwd', '/parts/', '/\\',
  '/a/;b', '/__proto__', '/constructor', '/toString', '/hasOwnProperty/x', '/parts/a/__proto__',
]) {
  test(`responds 404 to the target ${target} and keeps the connection`, async (t) => {
    const { port } = await listen(t, routes);
    const bytes = requestBytes(`GET ${target}`) + requestBytes('GET /', ['Connection: close']);
    expectResponses(await sendRaw(t, port, bytes), [404, 200]);
  });
}

test('responds 400 to a path parameter that cannot be decoded', async (t) => {
  class Part extends RequestHandler {
    override doGet() {
      return this.param('name');
    }
  }
  const { port } = await listen(t, { '/parts/:name': Part });
  for (const name of ['%zz', '%', '%ff', '%c0%80']) {
    expectResponses(await sendRaw(t, port, requestBytes(`GET /parts/${name}`, ['Connection: close'])), [400]);
  }
  const request = requestBytes('GET /parts/%00__proto__%2F', ['Connection: close']);
  const [answer] = expectResponses(await sendRaw(t, port, request), [200]);
  assert.equal(JSON.parse(answer!.body!), '\0__proto__/');
});

test('path, query and param reflect the request target', async (t) => {
  class Target extends RequestHandler {
    override doGet() {
      return [this.path, this.query.getAll('q'), this.param('a'), this.param('b')];
    }
  }
  const { url } = await listen(t, { '/x/:a/y/:b': Target });
  const response = await fetch(`${url}/x/%2Fone%20two/y/3?q=4&q=%C3%A4?`);
  assert.deepEqual(await response.json(), ['/x/%2Fone%20two/y/3', ['4', 'ä?'], '/one two', '3']);
});

test('prefers static segments over parameters, and backtracks', async (t) => {
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
});
