/**
 * Copies a folder of TypeScript as JavaScript, so that node does not strip the types at every start:
 *
 *     node scripts/deploy/strip-types.ts src build
 *
 * The target must not exist yet. Other files are copied unchanged. Of the paths in the code, only those of imports and
 * exports are rewritten. Lines and columns stay the same, so a stack trace still points into the source. Needs Node
 * 22.18 or newer.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import * as module from 'node:module';
import { join } from 'node:path';

// The types of Node 20 do not have it yet.
const { stripTypeScriptTypes } = module as unknown as { stripTypeScriptTypes(code: string): string };
const IMPORT_PATH = /(\bfrom |\bimport |\bimport\()(['"])(\.[^'"]*)\.ts\2/g;

const [source, target] = process.argv.slice(2);
if (!source || !target) throw new Error('Write: node strip-types.ts SOURCE TARGET');
if (existsSync(target)) throw new Error(`${target} exists: delete it first`);
mkdirSync(target);
cpSync(source, target, { recursive: true });
for (const file of readdirSync(target, { recursive: true, encoding: 'utf8' })) {
  if (!file.endsWith('.ts')) continue;
  const path = join(target, file);
  writeFileSync(path.replace(/ts$/, 'js'), stripped(join(source, file)).replace(IMPORT_PATH, '$1$2$3.js$2'));
  rmSync(path);
}

function stripped(path: string): string {
  try {
    return stripTypeScriptTypes(readFileSync(path, 'utf8'));
  } catch (error) {
    rmSync(target!, { recursive: true });
    throw new Error(`${path} cannot be copied`, { cause: error });
  }
}
