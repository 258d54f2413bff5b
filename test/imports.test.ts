import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const PATH_OF_IMPORT = /(?:\bfrom |\bimport |\bimport\()(['"])(\.[^'"]*\.js)\1/g;

// tsc and tsx accept './routes.js' for routes.ts, Node does not. No option of tsc rejects it, so typecheck runs this.
test('imports TypeScript files as .ts, so that Node finds them without tsx', () => {
  for (const folder of ['src', 'test', 'scripts'].filter(existsSync)) {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || name.includes('node_modules')) continue;
      const file = join(folder, name);
      for (const [, , path] of readFileSync(file, 'utf8').matchAll(PATH_OF_IMPORT)) {
        const source = join(file, '..', path!.replace(/js$/, 'ts'));
        assert.ok(!existsSync(source), `${file} imports '${path}': write '${path!.replace(/js$/, 'ts')}'`);
      }
    }
  }
});
