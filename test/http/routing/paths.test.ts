import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler, type Routes } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

class Files extends RequestHandler {
  override doGet() {
    return this.param('path');
  }
}

/** Responds with its class name and parameters. */
function named(name: string, ...parameters: string[]): typeof RequestHandler {
  return class extends RequestHandler {
    override doGet() {
      return [name, ...parameters.map((parameter) => this.param(parameter))];
    }
  };
}

async function get(port: number, target: string, status = 200): Promise<unknown> {
  const after: (() => void)[] = [];
  const received = await sendRaw(
    { after: (free) => after.push(free as () => void) },
    port,
    requestBytes(`GET ${target}`, ['Connection: close']),
  );
  for (const free of after) free();
  const [response] = expectResponses(received, [status]);
  return JSON.parse(Buffer.from(response!.body!, 'latin1').toString());
}

const rests: [target: string, rest: string][] = [
  ['/files/a', 'a'],
  ['/files/a/b/c.txt', 'a/b/c.txt'],
  ['/files/a?b=/c', 'a'],
  ['/files/a%20b/%C3%A9', 'a b/é'],
  ['/files/%3F%23%25', '?#%'],
  ['/files/a%253Fb', 'a%3Fb'],
  ['/files/%252e%252e/a', '%2e%2e/a'],
  ['/files/...', '...'],
  ['/files/.hidden', '.hidden'],
  ['/files/a..b/c..', 'a..b/c..'],
  ['/files/__proto__/constructor', '__proto__/constructor'],
  [`/files/${'a/'.repeat(2_000)}a`, `${'a/'.repeat(2_000)}a`],
];
for (const [target, rest] of rests) {
  test(`decodes the rest of ${target.slice(0, 27)} as ${rest.slice(0, 27)}`, async (t) => {
    const { port } = await listen(t, { '/files/*path': Files });
    assert.equal(await get(port, target), rest);
  });
}

const climbing = [
  '/files/..',
  '/files/.',
  '/files/../etc/passwd',
  '/files/a/../../b',
  '/files/a/./b',
  '/files/a/..',
  '/files/%2e%2e/a',
  '/files/%2E',
  '/files/.%2e/a',
  '/files/a/%2e./b',
  '/files/a%2Fb',
  '/files/..%2f..%2fetc',
  '/files/%2f',
  '/files/a%5Cb',
  '/files/..%5c..%5cwindows',
  '/files/a\\b',
  '/files/..\\a',
  '/files/a%00b',
  '/files/%00',
  '/files/%zz',
  '/files/a/%',
  '/files/%ff',
  '/files/a/%c0%ae%c0%ae/b',
];
test('responds 400 to traversal, encoded separators, NUL and bad encoding in a rest', async (t) => {
  const { port } = await listen(t, { '/files/*path': Files });
  for (const target of climbing) {
    await get(port, target, 400).catch((error: Error) => assert.fail(`${target}: ${error.message}`));
  }
});

test('requires at least one character for the rest', async (t) => {
  const { port } = await listen(t, { '/files/*path': Files });
  for (const target of ['/files', '/files/', '/files?a', '/filesa', '/']) await get(port, target, 404);
});

test('never produces an absolute path from an empty segment', async (t) => {
  const { port } = await listen(t, { '/files/*path': Files });
  for (const target of ['/files//etc/passwd', '/files//', '/files//a']) {
    const after: (() => void)[] = [];
    const received = await sendRaw(
      { after: (free) => after.push(free as () => void) },
      port,
      requestBytes(`GET ${target}`, ['Connection: close']),
    );
    for (const free of after) free();
    assert.match(received, /^HTTP\/1\.1 40[04] /, target);
  }
});

test('matches the whole path, but not the root, as a rest', async (t) => {
  const { port } = await listen(t, { '/*path': Files });
  assert.equal(await get(port, '/a/b'), 'a/b');
  await get(port, '/', 404);
});

test('prefers segments over parameters over rests, and backtracks', async (t) => {
  const { port } = await listen(t, {
    '/a/*rest': named('rest', 'rest'),
    '/a/:id': named('parameter', 'id'),
    '/a/new': named('literal'),
    '/a/:id/b': named('parameter and literal', 'id'),
    '/a/:id/c/*rest': named('parameter and rest', 'id', 'rest'),
    '/*all': named('all', 'all'),
  });
  const cases: [target: string, response: string[]][] = [
    ['/a/new', ['literal']],
    ['/a/1', ['parameter', '1']],
    ['/a/1/b', ['parameter and literal', '1']],
    ['/a/new/b', ['parameter and literal', 'new']],
    ['/a/1/c', ['rest', '1/c']],
    ['/a/1/c/d/e', ['parameter and rest', '1', 'd/e']],
    ['/a/new/c/d', ['parameter and rest', 'new', 'd']],
    ['/a/1/x', ['rest', '1/x']],
    ['/a/new/x/y', ['rest', 'new/x/y']],
    ['/b/new', ['all', 'b/new']],
    ['/a', ['all', 'a']],
  ];
  for (const [target, response] of cases) assert.deepEqual(await get(port, target), response, target);
});

test('ignores the order of the routes', async (t) => {
  const routes: Routes = {
    '/a/*rest': named('rest', 'rest'),
    '/a/:id': named('parameter', 'id'),
    '/a/new': named('literal'),
  };
  const { port } = await listen(t, Object.fromEntries(Object.entries(routes).reverse()));
  assert.deepEqual(await get(port, '/a/new'), ['literal']);
  assert.deepEqual(await get(port, '/a/1'), ['parameter', '1']);
  assert.deepEqual(await get(port, '/a/1/2'), ['rest', '1/2']);
});

test('responds 404 to a trailing slash and suggests the path without it, if it exists', async (t) => {
  const { port } = await listen(t, {
    '/notes': named('notes'),
    '/notes/:id': named('note', 'id'),
    '/tree/': named('tree'),
  });
  const detail = async (target: string) => ((await get(port, target, 404)) as { detail: string }).detail;
  assert.match(await detail('/notes/'), /\/notes(?!\/)/);
  assert.match(await detail('/notes/?a=1'), /\/notes(?!\/)/);
  assert.match(await detail('/notes/1/'), /\/notes\/1(?!\/)/);
  for (const target of ['/none/', '/notes//', '/', '//', '/none', '/notes/1/2/']) {
    assert.doesNotMatch(await detail(target), /\/no|without/, target);
  }
  assert.deepEqual(await get(port, '/tree/'), ['tree']);
});

test('reflects no line break of the path in the detail of a 404', async (t) => {
  const { port } = await listen(t, { '/notes/:id': named('note', 'id') });
  const { detail } = (await get(port, '/notes/<b>%0d%0a/', 404)) as { detail: string };
  assert.doesNotMatch(detail, /[\r\n]/);
});

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
  const [response] = expectResponses(await sendRaw(t, port, request), [200]);
  assert.equal(JSON.parse(response!.body!), '\0__proto__/');
});

test('reads path, query and parameters from the target', async (t) => {
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
  const named = (name: string) =>
    class extends RequestHandler {
      override doGet() {
        return name;
      }
    };
  const { url } = await listen(t, {
    '/a/new': named('new'),
    '/a/:id': named('id'),
    '/a/new/c': named('c'),
    '/a/:id/d': named('d'),
  });
  for (const [path, name] of [['/a/new', 'new'], ['/a/1', 'id'], ['/a/new/c', 'c'], ['/a/new/d', 'd']]) {
    assert.equal(await (await fetch(url + path)).json(), name);
  }
  assert.equal((await fetch(`${url}/a/1/e`)).status, 404);
});
