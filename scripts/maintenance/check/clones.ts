/**
 * Checks that the changes that the README allows work: applies each to a copy and runs `npm run typecheck`, `npm test`
 * and `npm start`, without browser tests.
 *
 *     node --import tsx scripts/maintenance/check/clones.ts [name…]
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Command } from './process.ts';

/** For each command. */
const LIMIT_MS = 300_000;

const TODOS = `import http from 'node:http';
import { z } from 'zod';
import { HttpError, RequestHandler } from '../http/index.ts';

const todo = z.object({ title: z.string().min(1), done: z.boolean().default(false) });
const patch = z.object({ title: z.string().min(1), done: z.boolean() }).partial();
let todos: z.infer<typeof todo>[] = [];

export class TodosHandler extends RequestHandler {
  override doGet() {
    return { todos, methods: http.METHODS.length };
  }
  override async doPost() {
    const added = await this.readJson(todo);
    todos.push(added);
    return added;
  }
  override async doPatch() {
    const [first] = todos;
    if (!first) throw new HttpError(404);
    todos = [{ ...first, ...(await this.readJson(patch)) }];
    return todos;
  }
}
`;

const HELLO = `import { RequestHandler } from '../http/index.ts';

export class HelloHandler extends RequestHandler {
  override doGet() {
    return { hello: this.param('name') };
  }
}
`;

const routesOf = (name: string, file: string, path: string): string => `import type { Routes } from './http/index.ts';
import { ${name} } from './handlers/${file}';

export const routes: Routes = { '${path}': ${name} };
`;

const testOf = (path: string): string => `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routes } from '../src/routes.ts';
import { listen } from './listen.ts';

test('responds 200', async (t) => {
  const { url } = await listen(t, routes);
  assert.equal((await fetch(url + '${path}')).status, 200);
});
`;

/** Settings whose names resemble those of the engine or common variables. */
const SETTINGS = `    redisHost: text('REDIS_HOST', 'localhost'),
    logLevel: choice('LOG_LEVEL', 'info', ['info', 'debug']),
    corsLabel: text('CORS_LABEL', ''),
`;

/** A copy of this repository, including uncommitted changes. */
class Clone {
  readonly folder = mkdtempSync(join(tmpdir(), 'clone-'));
  /** A PATH with only the programs that the three commands need. */
  readonly #path = mkdtempSync(join(tmpdir(), 'clone-path-'));

  constructor() {
    const deleted = gitFiles('--deleted');
    for (const file of gitFiles('--cached', '--others', '--exclude-standard')) {
      if (!deleted.includes(file)) cpSync(file, this.#at(file));
    }
    symlinkSync(join(process.cwd(), 'node_modules'), this.#at('node_modules'));
    const folders = process.env['PATH']!.split(delimiter);
    for (const name of ['node', 'npm', 'npx', 'sh', 'env', 'git']) {
      const places = folders.map((folder) => join(folder, name));
      const found = name === 'node' ? process.execPath : places.find((path) => existsSync(path));
      if (found) symlinkSync(found, join(this.#path, name));
    }
  }

  #at(file: string): string {
    return join(this.folder, file);
  }

  write(file: string, text: string): void {
    writeFileSync(this.#at(file), text);
  }

  /** Deletes files and folders. */
  remove(...files: string[]): void {
    for (const file of files) rmSync(this.#at(file), { recursive: true });
  }

  insertBefore(file: string, text: string, lines: string): void {
    const source = readFileSync(this.#at(file), 'utf8');
    assert.ok(source.includes(text), `${file} has no ${text}`);
    this.write(file, source.replace(text, () => lines + text));
  }

  /** Deletes each line with this text, of which there must be one. */
  removeLines(file: string, text: string): void {
    const lines = readFileSync(this.#at(file), 'utf8').split('\n');
    const others = lines.filter((line) => !line.includes(text));
    assert.notEqual(others.length, lines.length, `${file} has no line with ${text}`);
    this.write(file, others.join('\n'));
  }

  /** Replaces all handlers with one. */
  replaceHandlers(name: string, file: string, code: string, path: string, requested: string): void {
    this.remove('src/handlers', 'test/status.test.ts', 'test/notes.test.ts');
    mkdirSync(this.#at('src/handlers'));
    this.write(`src/handlers/${file}`, code);
    this.write('src/routes.ts', routesOf(name, file, path));
    this.write('test/own.test.ts', testOf(requested));
  }

  async installed(packageName: string): Promise<void> {
    this.remove('node_modules');
    await this.run(`npm install --no-audit --no-fund --loglevel=error ${packageName}`, process.env['PATH']!);
  }

  /** Resolves with the output of a command; rejects with it if the command fails. */
  async run(command: string, path = this.#path): Promise<string> {
    const step = new Command(command, { PATH: path, CI: '' }, this.folder);
    if ((await step.ended(LIMIT_MS)) !== 0) throw new Error(`${command} failed:\n${step.output}`);
    return step.output;
  }

  async typeErrors(): Promise<string[]> {
    const step = new Command('npm run typecheck', { PATH: this.#path }, this.folder);
    await step.ended(LIMIT_MS);
    return step.output.split('\n').filter((line) => /error TS\d+/.test(line));
  }

  async starts(): Promise<void> {
    const server = new Command('npm start', { PATH: this.#path, PORT: '0', LOG: 'off' }, this.folder);
    const [url] = await server.printed(/http:\/\/[\d.:]+/);
    const response = await fetch(url, { signal: AbortSignal.timeout(20_000) });
    assert.ok(response.status < 500, `The response of npm start is ${response.status}`);
    server.kill('SIGTERM');
    await server.ended();
  }

  delete(): void {
    for (const folder of [this.folder, this.#path]) rmSync(folder, { recursive: true });
  }
}

function gitFiles(...options: string[]): string[] {
  return execFileSync('git', ['ls-files', '-z', ...options], { encoding: 'utf8' }).split('\0').filter(Boolean);
}

const changes: Record<string, (clone: Clone) => void | Promise<void>> = {
  'without the notes and their test, scripts/ and test/cors/': (clone) => {
    clone.remove('src/handlers/notes.ts', 'test/notes.test.ts', 'scripts', 'test/cors');
    clone.removeLines('src/routes.ts', 'Note');
    clone.removeLines('package.json', 'scripts/');
  },
  'with a handler that uses zod and node:http in place of all others, another README and more settings':
    async (clone) => {
      clone.replaceHandlers('TodosHandler', 'todos.ts', TODOS, '/', '/');
      clone.write('README.md', '# My API\n');
      clone.insertBefore('src/config.ts', "    notesLimit: number('NOTES_LIMIT'", SETTINGS);
      await clone.installed('zod');
    },
  'without the tests of the engine': (clone) => {
    clone.remove('test/http');
  },
  'without everything that can be deleted': (clone) => {
    clone.remove('scripts', 'test/cors', 'test/http');
    clone.removeLines('package.json', 'scripts/');
    clone.replaceHandlers('HelloHandler', 'hello.ts', HELLO, '/hello/:name', '/hello/Ada');
    for (const file of ['src/config.ts', 'test/config.test.ts']) clone.removeLines(file, 'NOTES_LIMIT');
  },
};

const chosen = process.argv.slice(2);
const CARELESS = 'with a policy that lacks its type, which is at most one error';
const isChosen = (name: string): boolean => chosen.length === 0 || chosen.some((part) => name.includes(part));
assert.ok([...Object.keys(changes), CARELESS].some(isChosen), `Choose from: ${Object.keys(changes).join('; ')}`);
for (const name of Object.keys(changes).filter(isChosen)) {
  const clone = new Clone();
  try {
    await changes[name]!(clone);
    await clone.run('npm run typecheck');
    const summary = (await clone.run('npm test')).trim().split('\n').at(-1);
    await clone.starts();
    console.log(`ok: ${name} (${summary})`);
  } finally {
    clone.delete();
  }
}

if (isChosen(CARELESS)) {
  const clone = new Clone();
  try {
    const careless = "  static override readonly cors = { origins: ['http://app.example.com'] };\n";
    const code = HELLO.replace('  override', `${careless}  override`);
    clone.replaceHandlers('HelloHandler', 'hello.ts', code, '/hello/:name', '/hello/Ada');
    const errors = await clone.typeErrors();
    assert.ok(errors.length <= 1 && errors.every((line) => line.startsWith('src/handlers/')), errors.join('\n'));
    console.log(`ok: ${CARELESS}: ${errors.join('') || 'none'}`);
  } finally {
    clone.delete();
  }
}
