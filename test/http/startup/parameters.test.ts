import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler, type Routes } from '../../../src/http/index.ts';
import { startupErrors } from '../support/startup-errors.ts';

class Note extends RequestHandler {
  override doGet() {
    return this.param('id');
  }
}

test('rejects param() with a name that no route has, and suggests the right one', () => {
  assert.deepEqual(startupErrors({ '/notes/:note': Note }), [
    "Note reads this.param('id'), which is not in /notes/:note: "
      + "write this.param('note'), or rename it in the route",
  ]);
});

test('names all routes of the class and their parameters', () => {
  assert.deepEqual(startupErrors({ '/a/:b': Note, '/c/:d/*e': Note, '/f': Note }), [
    "Note reads this.param('id'), which is not in /a/:b or /c/:d/*e or /f: "
      + "write this.param('b') or this.param('d') or this.param('e'), or rename it in the route",
  ]);
});

test('finds each name beside strings and comments', () => {
  class Quotes extends RequestHandler {
    override doGet() {
      // It's read below.
      return ['\'', "'", `"`, this.param('one'), "\"", '`', this.param(`two`), /* ' */ this.param("three")];
    }
  }
  const named = startupErrors({ '/:id': Quotes }).map((error) => /param\('(\w+)'\), which/.exec(error)?.[1]);
  assert.deepEqual(named, ['one', 'two', 'three']);
});

class Base extends RequestHandler {
  tenant() {
    return this.param('tenant');
  }
}

class Outer extends RequestHandler {
  static readonly Inner = class extends RequestHandler {
    override doGet() {
      return this.param('number');
    }
  };
  override doGet() {
    return this.param('id');
  }
}

const accepted: [what: string, routes: Routes][] = [
  ['a name that only one of the routes of a class has', { '/notes/:id': Note, '/old/:number': Note }],
  ['a name that only the route of a subclass has', {
    '/:id': Base,
    '/tenants/:tenant': class extends Base {},
  }],
  ['a name that only a method of the base class reads', { '/notes/:id': class extends Base {} }],
  ['a class whose route has no parameters', { '/notes': Note }],
  ['a name in a comment', {
    '/notes/:id': class extends RequestHandler {
      override doGet() {
        // Formerly this.param('note').
        return this.param('id'); /* or
          this.param('number') */
      }
    },
  }],
  ['a name in a string', {
    '/notes/:id': class extends RequestHandler {
      override doGet() {
        return ["write this.param('note')", `or \`this.param('number')`, this.param('id')];
      }
    },
  }],
  ['a name that only a nested class reads', { '/notes/:id': Outer, '/old/:number': Outer.Inner }],
  ['a name that is computed', {
    '/notes/:id': class extends RequestHandler {
      override doGet() {
        const name = this.query.get('name') ?? 'id';
        return [this.param(name), this.param(`${name}s`)];
      }
    },
  }],
  ['a class with a param() of its own', {
    '/notes/:id': class extends RequestHandler {
      override param(name: string) {
        return super.param(name === 'note' ? 'id' : name);
      }
      override doGet() {
        return this.param('note');
      }
    },
  }],
];
for (const [what, routes] of accepted) {
  test(`accepts ${what}`, () => {
    assert.deepEqual(startupErrors(routes), []);
  });
}
