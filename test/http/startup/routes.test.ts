import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer, RequestHandler, type Routes } from '../../../src/http/index.ts';
import { startupErrors } from '../support/startup-errors.ts';

class Good extends RequestHandler {
  override doGet() {
    return 1;
  }
}

const paths: [routes: Record<string, unknown>, fault: RegExp][] = [
  [{ notes: Good }, /^notes is not a path: write one such as \/notes/],
  [{ '/a?b': Good }, /^\/a\?b is not a path/],
  [{ '/:': Good }, /^\/: is not a path/],
  [{ '/a/:b/c': Good, '/a/:d/c': Good }, /^\/a\/:d\/c matches the same paths as another route/],
  [{ '/:a/:a': Good }, /^\/:a\/:a uses a parameter name twice/],
  [{ '/': () => 1 }, /^\/: must be a class that extends RequestHandler/],
  [{ '/': undefined }, /^\/: must be a class that extends RequestHandler/],
];
for (const [routes, fault] of paths) {
  test(`rejects the routes ${Object.keys(routes).join(' and ')}`, () => {
    const faults = startupErrors(routes as Routes);
    assert.equal(faults.length, 1);
    assert.match(faults[0]!, fault);
  });
}

class Files extends RequestHandler {
  override doGet() {
    return this.param('path');
  }
}

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
  test(`rejects the routes ${Object.keys(routes).join(' and ')}`, () => {
    assert.throws(
      () => createServer(routes as Routes),
      ({ message }: Error) =>
        message.split('\n').length === 2 && Object.keys(routes).some((path) => message.includes(`\n${path}`)),
    );
  });
}
