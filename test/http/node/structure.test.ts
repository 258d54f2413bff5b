import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const ENGINE = 'src/http';

const files = readdirSync(ENGINE, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const importsOf = new Map(
  files.map((file) => {
    const imports = readFileSync(join(ENGINE, file), 'utf8').matchAll(/^(?:import|export)(?! type )[^;]* from '([^']+)';$/gm);
    return [file, Array.from(imports, (match) => match[1]!)];
  }),
);
const roomsBelow = (file: string): string[] =>
  importsOf.get(file)!.filter((name) => name.startsWith('.')).map((name) => normalize(join(dirname(file), name)));

test('src/http imports only node: modules and itself', () => {
  assert.ok(files.length > 0);
  for (const [file, imports] of importsOf) {
    for (const name of imports) assert.match(name, /^(?:node:|\.\.?\/.*\.ts$)/, `${file} imports ${name}`);
    for (const room of roomsBelow(file)) assert.ok(files.includes(room), `${file} imports ${room}`);
  }
});

test('src/http has no circular imports', () => {
  const done = new Set<string>();
  const visit = (file: string, way: string[]): void => {
    assert.ok(!way.includes(file), [...way, file].join(' -> '));
    if (done.has(file)) return;
    for (const room of roomsBelow(file)) visit(room, [...way, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test('node:http, node:util and node:async_hooks are loaded only in node-builtins.ts', () => {
  const loading = /^import (?!type ).*'node:(?:http|util|async_hooks)'/m;
  for (const file of files) assert.doesNotMatch(readFileSync(join(ENGINE, file), 'utf8'), loading, file);
});
