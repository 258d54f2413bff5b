import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { type CorsOptions, RequestHandler, type Routes } from '../../../src/http/index.ts';

/** Lines that must not compile are marked with @ts-expect-error. */
const origin = 'https://app.example.com';
const compiles: CorsOptions[] = [
  { origins: '*' },
  { origins: [origin], credentials: true },
  { origins: (from) => from === origin },
  { origins: ['https://*.example.com', 'http://localhost:*'] },
  { origins: ['capacitor://localhost'] },
];

// @ts-expect-error: browsers reject * with credentials
const starWithCredentials: CorsOptions = { origins: '*', credentials: true };
// @ts-expect-error: an origin has a scheme
const noScheme: CorsOptions = { origins: ['app.example.com'] };
// @ts-expect-error: null cannot be listed
const nullOrigin: CorsOptions = { origins: ['null'] };
// @ts-expect-error: a policy says which pages
const noOrigins: CorsOptions = { allowedHeaders: '*' };
// @ts-expect-error: a path begins with a slash
const noSlash: Routes = { notes: RequestHandler };
// @ts-expect-error: a route is a class that extends RequestHandler
const noHandler: Routes = { '/': class {} };

class Typed extends RequestHandler {
  // @ts-expect-error: the base class lacks the method to override
  override doFetch() {}
}
class WithoutStatic extends RequestHandler {
  // @ts-expect-error: only a static policy has an effect
  override readonly cors: CorsOptions = { origins: [origin] };
  // @ts-expect-error: only a static limit has an effect
  override readonly bodyLimit = 10;
}

void [compiles, starWithCredentials, noScheme, nullOrigin, noOrigins, noSlash, noHandler, Typed, WithoutStatic];

test('rejects invalid options and routes at compile time', (t) => {
  if (!existsSync('node_modules/typescript')) return t.skip('npm install brings the compiler');
  // Other tests run in parallel, so use a single thread.
  const compile = ['node_modules/typescript/bin/tsc', '--singleThreaded'];
  const { stdout, error } = spawnSync(process.execPath, compile, { encoding: 'utf8', timeout: 60_000 });
  assert.equal(error, undefined);
  assert.deepEqual(stdout.split('\n').filter((line) => /^(?:src|test)\/http\//.test(line)), []);
});
