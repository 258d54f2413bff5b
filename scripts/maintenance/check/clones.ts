/**
 * Checks that a clone can become somebody's own: makes a copy for each change that the README allows, and runs
 * `npm run typecheck`, `npm test` and `npm start` in it. Browsers are left out: none of these changes is theirs.
 *
 * node --import tsx scripts/maintenance/check/clones.ts [name…]
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Command } from './process.ts';

/** In milliseconds, for one command. */
const LIMIT = 300_000;

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

test('it answers', async (t) => {
  const { url } = await listen(t, routes);
  assert.equal((await fetch(url + '${path}')).status, 200);
});
`;

/** Settings whose names are like those that others set, or that the engine has. */
const SETTINGS = `    redisHost: text('REDIS_HOST', 'localhost'),
    logLevel: choice('LOG_LEVEL', 'info', ['info', 'debug']),
    corsLabel: text('CORS_LABEL', ''),
`;

/** A copy of this repository, as a clone has it, with what has changed since the last commit. */
class Clone {
  readonly folder = mkdtempSync(join(tmpdir(), 'clone-'));
  /** Nothing but what the three commands need: no browser. */
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

  /** Deletes a file, or a folder with all that is in it. */
  remove(...files: string[]): void {
    for (const file of files) rmSync(this.#at(file), { recursive: true });
  }

  insertBefore(file: string, text: string, lines: string): void {
    const source = readFileSync(this.#at(file), 'utf8');
    assert.ok(source.includes(text), `${file} has no ${text}`);
    this.write(file, source.replace(text, () => lines + text));
  }

  /** Deletes each line with this text; there must be one. */
  removeLines(file: string, text: string): void {
    const lines = readFileSync(this.#at(file), 'utf8').split('\n');
    const left = lines.filter((line) => !line.includes(text));
    assert.notEqual(left.length, lines.length, `${file} has no line with ${text}`);
    this.write(file, left.join('\n'));
  }

  /** Puts these handlers in place of all others. */
  replaceHandlers(name: string, file: string, code: string, path: string, asked: string): void {
    this.remove('src/handlers', 'test/status.test.ts', 'test/notes.test.ts');
    mkdirSync(this.#at('src/handlers'));
    this.write(`src/handlers/${file}`, code);
    this.write('src/routes.ts', routesOf(name, file, path));
    this.write('test/own.test.ts', testOf(asked));
  }

  async installed(packageName: string): Promise<void> {
    this.remove('node_modules');
    await this.run(`npm install --no-audit --no-fund --loglevel=error ${packageName}`, process.env['PATH']!);
  }

  /** Resolves with what a command prints; rejects with it where the command fails. */
  async run(command: string, path = this.#path): Promise<string> {
    const step = new Command(command, { PATH: path, CI: '' }, this.folder);
    if ((await step.ended(LIMIT)) !== 0) throw new Error(`${command} failed:\n${step.output}`);
    return step.output;
  }

  async typeErrors(): Promise<string[]> {
    const step = new Command('npm run typecheck', { PATH: this.#path }, this.folder);
    await step.ended(LIMIT);
    return step.output.split('\n').filter((line) => /error TS\d+/.test(line));
  }

  async starts(): Promise<void> {
    const server = new Command('npm start', { PATH: this.#path, PORT: '0', LOG: 'off' }, this.folder);
    const [url] = await server.printed(/http:\/\/[\d.:]+/);
    const answer = await fetch(url, { signal: AbortSignal.timeout(20_000) });
    assert.ok(answer.status < 500, `npm start answers ${answer.status}`);
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
  'the notes and their test, scripts/ and test/cors/ are deleted': (clone) => {
    clone.remove('src/handlers/notes.ts', 'test/notes.test.ts', 'scripts', 'test/cors');
    clone.removeLines('src/routes.ts', 'notes');
    clone.removeLines('package.json', 'scripts/');
  },
  'handlers, routes and their tests are replaced by one with zod and node:http; another README, more settings':
    async (clone) => {
      clone.replaceHandlers('TodosHandler', 'todos.ts', TODOS, '/', '/');
      clone.write('README.md', '# My API\n');
      clone.insertBefore('src/config.ts', "    notesLimit: number('NOTES_LIMIT'", SETTINGS);
      await clone.installed('zod');
    },
  'the tests of the engine are deleted': (clone) => {
    clone.remove('test/http');
  },
  'all that can go is gone': (clone) => {
    clone.remove('scripts', 'test/cors', 'test/http');
    clone.removeLines('package.json', 'scripts/');
    clone.replaceHandlers('HelloHandler', 'hello.ts', HELLO, '/hello/:name', '/hello/Ada');
    for (const file of ['src/config.ts', 'test/config.test.ts']) clone.removeLines(file, 'NOTES_LIMIT');
  },
};

const chosen = process.argv.slice(2);
const CARELESS = 'a policy without its type is at most one error';
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
    const faults = await clone.typeErrors();
    assert.ok(faults.length <= 1 && faults.every((line) => line.startsWith('src/handlers/')), faults.join('\n'));
    console.log(`ok: ${CARELESS}: ${faults.join('') || 'none'}`);
  } finally {
    clone.delete();
  }
}
