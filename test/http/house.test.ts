import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const importsOf = new Map(
  files.map((file) => [file, [...readFileSync(join('src', file), 'utf8').matchAll(/^(?:import|export)[^;]* from '([^']+)';$/gm)].map((match) => match[1]!)]),
);
const roomsBelow = (file: string): string[] => importsOf.get(file)!.filter((name) => name.startsWith('.')).map((name) => normalize(join(dirname(file), name)));

test('src imports only node: modules and itself', () => {
  for (const [file, imports] of importsOf) {
    for (const name of imports) assert.match(name, /^(?:node:|\.\.?\/.*\.ts$)/, `${file} imports ${name}`);
  }
});

test('your rooms know only the front door of the engine, and the engine knows none of them', () => {
  for (const file of files) {
    const isEngine = file.startsWith('http/');
    for (const room of roomsBelow(file)) {
      if (isEngine) assert.ok(room.startsWith('http/'), `${file} imports ${room}`);
      else assert.ok(!room.startsWith('http/') || room === 'http/index.ts', `${file} imports ${room}`);
    }
  }
});

test('imports never go round in a circle', () => {
  const done = new Set<string>();
  const visit = (file: string, way: string[]): void => {
    assert.ok(!way.includes(file), [...way, file].join(' -> '));
    if (done.has(file)) return;
    for (const room of roomsBelow(file)) visit(room, [...way, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
});

test('node:http is imported for its types alone, and required in one room', () => {
  for (const file of files) assert.doesNotMatch(readFileSync(join('src', file), 'utf8'), /^import (?!type ).*'node:http'/m, file);
});
