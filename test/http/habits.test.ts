import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler, type Routes, createServer } from '../../src/http/index.ts';

function faultsOf(routes: Routes): string[] {
  try {
    createServer(routes);
  } catch (error) {
    return (error as Error).message.split('\n').slice(1);
  }
  return [];
}

/** A class called Habit, with one method of this name. */
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
  test(`a method called ${name} is refused, with its right name`, () => {
    const faults = faultsOf({ '/': habit(name) });
    assert.equal(faults.length, 1, faults.join('\n'));
    assert.match(faults[0]!, new RegExp(`^Habit\\.${name} would never answer a request: write ${method}\\b`));
  });
}

for (const name of ['do_FETCH', 'doFetch', 'do_CONNECT', 'do_TRACE']) {
  test(`a method called ${name} is refused: no request calls it`, () => {
    const faults = faultsOf({ '/': habit(name) });
    assert.equal(faults.length, 1, faults.join('\n'));
    assert.match(faults[0]!, new RegExp(`^Habit\\.${name} would never answer a request: `));
    assert.doesNotMatch(faults[0]!, /write do/);
  });
}

test('a static method that is named after no HTTP method is not told to be another: that would be refused too', () => {
  class Static extends RequestHandler {
    static doWork() {}
  }
  assert.match(faultsOf({ '/': Static }).join('\n'), /^Static\.doWork would never answer a request: .*rename it$/);
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
  test(`a helper may be called ${name}`, () => {
    assert.deepEqual(faultsOf({ '/': habit(name) }), []);
  });
}

test('a habit in a class between is found, and named by the class that has the route', () => {
  class Base extends RequestHandler {
    do_GET() {}
  }
  class Child extends Base {
    override doPost() {}
  }
  const faults = faultsOf({ '/': Child });
  assert.equal(faults.length, 1);
  assert.match(faults[0]!, /^Child\.do_GET would never answer a request: write doGet\b/);
});

test('a habit that is a field or static is found too', () => {
  class Field extends RequestHandler {
    do_GET = () => 1;
  }
  class Static extends RequestHandler {
    static do_GET() {}
  }
  assert.match(faultsOf({ '/': Field }).join('\n'), /^Field\.do_GET would never answer a request: .*doGet/);
  assert.match(faultsOf({ '/': Static }).join('\n'), /^Static\.do_GET would never answer a request: /);
});

test('the faults of a class on two routes are each said once', () => {
  class Twice extends RequestHandler {
    do_GET() {}
    doFetch() {}
    static override readonly cors = { origins: [] };
  }
  const faults = faultsOf({ '/a': Twice, '/b': Twice, '/c/:d': Twice });
  assert.equal(faults.length, 3, faults.join('\n'));
  assert.equal(new Set(faults).size, 3);
});

test('two classes with the same habit are each named', () => {
  const faults = faultsOf({
    '/a': habit('do_GET'),
    '/b': class Other extends RequestHandler {
      do_GET() {}
    },
  });
  assert.deepEqual(
    faults.map((fault) => fault.split('.')[0]),
    ['Habit', 'Other'],
  );
});
