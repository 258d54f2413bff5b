import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler, type Routes, createServer } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { requestBytes, sendRaw } from './connection.ts';

const LIMIT = { timeout: 20_000 };

class Files extends RequestHandler {
  override doGet() {
    return this.param('path');
  }
}

/** Answers its own name, and its parameters. */
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
  const [answer] = soundAnswers(received, [status]);
  return JSON.parse(Buffer.from(answer!.body!, 'latin1').toString());
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
  test(`the rest of ${target.slice(0, 40)} is ${rest.slice(0, 40)}`, LIMIT, async (t) => {
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
test('a rest that climbs, hides a separator or a NUL, or cannot be decoded is answered 400', LIMIT, async (t) => {
  const { port } = await listen(t, { '/files/*path': Files });
  for (const target of climbing) {
    await get(port, target, 400).catch((error: Error) => assert.fail(`${target}: ${error.message}`));
  }
});

test('a rest has at least one character', LIMIT, async (t) => {
  const { port } = await listen(t, { '/files/*path': Files });
  for (const target of ['/files', '/files/', '/files?a', '/filesa', '/']) await get(port, target, 404);
});

test('an empty part of a rest never becomes a path from the root', LIMIT, async (t) => {
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

test('a rest may be all of the path, and the root has none', LIMIT, async (t) => {
  const { port } = await listen(t, { '/*path': Files });
  assert.equal(await get(port, '/a/b'), 'a/b');
  await get(port, '/', 404);
});

test(
  'a literal goes before a parameter, a parameter before a rest, and what fails further on is tried with the next',
  LIMIT,
  async (t) => {
    const { port } = await listen(t, {
      '/a/*rest': named('rest', 'rest'),
      '/a/:id': named('parameter', 'id'),
      '/a/new': named('literal'),
      '/a/:id/b': named('parameter and literal', 'id'),
      '/a/:id/c/*rest': named('parameter and rest', 'id', 'rest'),
      '/*all': named('all', 'all'),
    });
    const cases: [target: string, answer: string[]][] = [
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
    for (const [target, answer] of cases) assert.deepEqual(await get(port, target), answer, target);
  },
);

test('the order in which routes are written changes nothing', LIMIT, async (t) => {
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

const refused: Record<string, unknown>[] = [
  { '/files/*path/x': Files },
  { '/files/*path/:id': Files },
  { '/files/*path/*more': Files },
  { '/*': Files },
  { '/files/*': Files },
  { '/files/a*path': Files },
  { '/files/*1': Files },
  { '/files/**path': Files },
  { '/:path/*path': Files },
  { '/files/*path': Files, '/files/*other': Files },
];
for (const routes of refused) {
  test(`the routes ${Object.keys(routes).join(' and ')} are refused`, () => {
    assert.throws(
      () => createServer(routes as Routes),
      ({ message }: Error) =>
        message.split('\n').length === 2 && Object.keys(routes).some((path) => message.includes(`\n${path}`)),
    );
  });
}

test(
  'a path with a slash at its end is answered 404, and the detail names the path without it where that exists',
  LIMIT,
  async (t) => {
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
  },
);

test('the detail of a 404 that names a path repeats nothing that could be markup or a header', LIMIT, async (t) => {
  const { port } = await listen(t, { '/notes/:id': named('note', 'id') });
  const { detail } = (await get(port, '/notes/<b>%0d%0a/', 404)) as { detail: string };
  assert.doesNotMatch(detail, /[\r\n]/);
});
