import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const ENGINE = 'src/http';

const files = readdirSync(ENGINE, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const sources = new Map(files.map((file) => [file, readFileSync(join(ENGINE, file), 'utf8')]));

/** Returns what these import or export statements name after `from`. */
function importsOf(file: string, statement: RegExp): string[] {
  const imports = sources.get(file)!.matchAll(new RegExp(`${statement.source}[^;]* from '([^']+)';$`, 'gm'));
  return Array.from(imports, (match) => match[1]!);
}

const inEngine = (file: string, name: string): string => normalize(join(dirname(file), name));

test('imports only node: modules and itself', () => {
  assert.ok(files.length > 0);
  for (const file of files) {
    for (const name of importsOf(file, /^(?:import|export)/)) {
      const isOwn = name.startsWith('.') && files.includes(inEngine(file, name));
      assert.ok(isOwn || name.startsWith('node:'), `${file} imports ${name}`);
    }
  }
});

// A type import is erased, and may point anywhere in the engine.
test('has no circular imports of values', () => {
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    assert.ok(!path.includes(file), [...path, file].join(' -> '));
    if (done.has(file)) return;
    const names = importsOf(file, /^(?:import|export) (?!type )/).filter((name) => name.startsWith('.'));
    for (const name of names) visit(inEngine(file, name), [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test('loads node:http, node:util and node:async_hooks only in builtins.ts', () => {
  const loading = /^import (?!type ).*'node:(?:http|util|async_hooks)'/m;
  for (const [file, source] of sources) assert.doesNotMatch(source, loading, file);
});
