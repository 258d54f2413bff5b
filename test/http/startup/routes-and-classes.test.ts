import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer, RequestHandler, type Routes } from '../../../src/http/index.ts';
import { startupErrors } from '../support/startup-errors.ts';

/** Creates a handler class named Habit with one method of this name. */
function habit(name: string): typeof RequestHandler {
  class Habit extends RequestHandler {}
  Object.defineProperty(Habit.prototype, name, { value() {}, configurable: true, writable: true });
  return Habit;
}

const meant: [name: string, method: string][] = [
  ['do_GET', 'doGet'],
  ['do_get', 'doGet'],
  ['do_Post', 'doPost'],
  ['do_M_SEARCH', 'doMSearch'],
  ['doget', 'doGet'],
  ['dopost', 'doPost'],
  ['DoGet', 'doGet'],
  ['doDELETE', 'doDelete'],
  ['get', 'doGet'],
  ['GET', 'doGet'],
  ['Get', 'doGet'],
  ['head', 'doHead'],
  ['post', 'doPost'],
  ['POST', 'doPost'],
  ['put', 'doPut'],
  ['patch', 'doPatch'],
  ['delete', 'doDelete'],
  ['options', 'doOptions'],
  ['OPTIONS', 'doOptions'],
];
for (const [name, method] of meant) {
  test(`rejects a method named ${name} and suggests ${method}`, () => {
    const errors = startupErrors({ '/': habit(name) });
    assert.equal(errors.length, 1, errors.join('\n'));
    assert.match(errors[0]!, new RegExp(`^Habit\\.${name} would never be called by the server: write ${method}\\b`));
  });
}

test('suggests to rename a method that may be for the own code of the class', () => {
  const [error] = startupErrors({ '/': habit('post') });
  assert.match(error!, /^Habit\.post would never be called by .*: write doPost\(\) .*, or rename it if your own code/);
});

for (const name of ['do_FETCH', 'doFetch', 'do_CONNECT', 'do_TRACE']) {
  test(`rejects a method named ${name}, which no request can call`, () => {
    const errors = startupErrors({ '/': habit(name) });
    assert.equal(errors.length, 1, errors.join('\n'));
    assert.match(errors[0]!, new RegExp(`^Habit\\.${name} would never be called by the server: `));
    assert.doesNotMatch(errors[0]!, /write do/);
  });
}

test('does not suggest an invalid name for a static method', () => {
  class Static extends RequestHandler {
    static doWork() {}
  }
  assert.match(startupErrors({ '/': Static }).join('\n'), /^Static\.doWork would never be called by .*rename it$/);
});

const helpers = [
  'getUser',
  'postProcess',
  'deleteAll',
  'putBack',
  'header',
  'do',
  'done',
  'double',
  'doubleIt',
  'document',
  'dot',
  'domain',
  'search',
  'link',
  'unlink',
  'lock',
  'unlock',
  'bind',
  'copy',
  'move',
  'merge',
  'notify',
  'report',
  'subscribe',
  'source',
  'query',
];
for (const name of helpers) {
  test(`accepts a helper named ${name}`, () => {
    assert.deepEqual(startupErrors({ '/': habit(name) }), []);
  });
}

test('finds misnamed methods in base classes and reports the routed class', () => {
  class Base extends RequestHandler {
    do_GET() {}
  }
  class Child extends Base {
    override doPost() {}
  }
  const errors = startupErrors({ '/': Child });
  assert.equal(errors.length, 1);
  assert.match(errors[0]!, /^Child\.do_GET would never be called by the server: write doGet\b/);
});

test('finds misnamed fields and static methods', () => {
  class Field extends RequestHandler {
    do_GET = async () => 1;
  }
  class Bound extends RequestHandler {
    override doPost = this.read.bind(this);
    read() {}
  }
  class Static extends RequestHandler {
    static do_GET() {}
  }
  assert.match(startupErrors({ '/': Field }).join('\n'), /^Field\.do_GET would never be called by the server: .*doGet/);
  assert.match(startupErrors({ '/': Bound }).join('\n'), /^Bound\.doPost would never be called by .*doPost/);
  assert.match(startupErrors({ '/': Static }).join('\n'), /^Static\.do_GET would never be called by the server: /);
});

test('accepts variables that are named like methods', () => {
  class Variables extends RequestHandler {
    override async doPost() {
      let doRetry = false;
      const { doMerge = true, doNotify = () => {} } = (await this.readJson()) as Record<string, unknown>;
      const { doCopy = () => {} } = {};
      doRetry = !doMerge && !doCopy;
      return { doRetry, doNotify: String(doNotify) };
    }
  }
  const errors = startupErrors({ '/': Variables });
  assert.deepEqual(errors, []);
});

test('reports the errors of a class once, even if it has several routes', () => {
  class Twice extends RequestHandler {
    do_GET() {}
    doFetch() {}
    static override readonly cors = { origins: [] };
  }
  const errors = startupErrors({ '/a': Twice, '/b': Twice, '/c/:d': Twice });
  assert.equal(errors.length, 3, errors.join('\n'));
  assert.equal(new Set(errors).size, 3);
});

test('reports every class that has the same error', () => {
  const errors = startupErrors({
    '/a': habit('do_GET'),
    '/b': class Other extends RequestHandler {
      do_GET() {}
    },
  });
  assert.deepEqual(
    errors.map((error) => error.split('.')[0]),
    ['Habit', 'Other'],
  );
});

class Good extends RequestHandler {
  override doGet() {
    return 1;
  }
}

const classes: [what: string, HandlerClass: typeof RequestHandler, error: RegExp][] = [
  [
    'a method that no HTTP method calls',
    class Typo extends RequestHandler { doFetch() {} },
    /^Typo\.doFetch would never be called by the server: it is not named like/,
  ],
  [
    'a method in capitals',
    class Capitals extends RequestHandler { doGET() {} },
    /^Capitals\.doGET would never be called by the server: write doGet/,
  ],
  [
    'a method in an inherited class',
    class Child extends (class Parent extends RequestHandler { doPot() {} }) {},
    /^Child\.doPot would never be called/,
  ],
  [
    'a class field in a class of one line',
    class Line extends RequestHandler { doLink = () => this.path; },
    /^Line\.doLink would never be called by the server: it is a field, not a method: write doLink/,
  ],
  [
    'a class field in place of a method',
    class Field extends RequestHandler {
      name = 'field'; doSubscribe = () => this.name;
    },
    /^Field\.doSubscribe would never be called by the server: it is a field, not a method: write doSubscribe/,
  ],
  [
    'a static method',
    class Static extends RequestHandler { static doGet() {} },
    /^Static\.doGet would never be called by the server: it is static/,
  ],
  [
    'a static prepare()',
    class Open extends RequestHandler { static prepare() {} },
    /^Open\.prepare would never be called by the server: remove static, or rename it$/,
  ],
  ['CONNECT', class Tunnel extends RequestHandler { doConnect() {} }, /^Tunnel\.doConnect would never be called/],
  ['TRACE', class Trace extends RequestHandler { doTrace() {} }, /^Trace\.doTrace would never be called/],
];
for (const [what, HandlerClass, error] of classes) {
  test(`rejects ${what} and names it`, () => {
    const errors = startupErrors({ '/': HandlerClass });
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, error);
  });
}

const paths: [routes: Record<string, unknown>, error: RegExp][] = [
  [{ notes: Good }, /^notes is not a valid route: write whole segments, as in \/notes/],
  [{ '/a?b': Good }, /^\/a\?b is not a valid route/],
  [{ '/:': Good }, /^\/: is not a valid route/],
  [{ '/café': Good }, /^\/café is not a valid route/],
  [{ '/a/:b/c': Good, '/a/:d/c': Good }, /^\/a\/:d\/c matches the same paths as \/a\/:b\/c: remove one/],
  [{ '/:a/:a': Good }, /^\/:a\/:a uses a parameter name twice/],
  [{ '/': () => 1 }, /^\/: must be a class that extends RequestHandler/],
  [{ '/': undefined }, /^\/: must be a class that extends RequestHandler/],
];
for (const [routes, error] of paths) {
  const [value] = Object.values(routes);
  test(`rejects the routes ${Object.keys(routes).join(' and ')}${value === Good ? '' : `: ${value}`}`, () => {
    const errors = startupErrors(routes as Routes);
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, error);
  });
}

class Files extends RequestHandler {
  override doGet() {
    return this.param('path');
  }
}

const invalidRoutes: Record<string, unknown>[] = [
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
for (const routes of invalidRoutes) {
  test(`rejects the routes ${Object.keys(routes).join(' and ')}`, () => {
    assert.throws(
      () => createServer(routes as Routes),
      ({ message }: Error) =>
        message.split('\n').length === 2 && Object.keys(routes).some((path) => message.includes(`\n${path}`)),
    );
  });
}
