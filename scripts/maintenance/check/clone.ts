import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Command } from './process.ts';

/** In milliseconds, for one command. */
const LIMIT = 300_000;

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

/** A copy of this repository, as a clone has it, with what has changed since the last commit. */
export class Clone {
  readonly folder = mkdtempSync(join(tmpdir(), 'clone-'));
  /** A PATH with the programs that the three commands need, without a browser. */
  readonly #path = mkdtempSync(join(tmpdir(), 'clone-path-'));

  /** @param commit what to copy in place of the files as they are now */
  constructor(commit?: string) {
    if (commit) {
      const archive = execFileSync('git', ['archive', commit], { maxBuffer: 100 * 1024 * 1024 });
      execFileSync('tar', ['-x', '-C', this.folder], { input: archive });
    } else {
      const deleted = gitFiles('--deleted');
      for (const file of gitFiles('--cached', '--others', '--exclude-standard')) {
        if (!deleted.includes(file)) cpSync(file, this.#at(file));
      }
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

  read(file: string): string {
    return readFileSync(this.#at(file), 'utf8');
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

  /** Puts these handlers in place of all others. */
  replaceHandlers(name: string, file: string, code: string, path: string, requested: string): void {
    this.remove('src/handlers', 'test/status.test.ts');
    if (existsSync(this.#at('test/notes.test.ts'))) this.remove('test/notes.test.ts');
    mkdirSync(this.#at('src/handlers'));
    this.write(`src/handlers/${file}`, code);
    this.write('src/routes.ts', routesOf(name, file, path));
    this.write('test/own.test.ts', testOf(requested));
  }

  /** Copies every recipe and its test, and changes their imports, as the README of the recipes says. */
  copyRecipes(): void {
    for (const file of readdirSync(this.#at('scripts/recipes')).filter((name) => name.endsWith('.ts'))) {
      const source = this.read(`scripts/recipes/${file}`);
      if (!file.endsWith('.test.ts')) this.write(`src/handlers/${file}`, source.replaceAll("'../../src/", "'../"));
      else {
        const withRecipe = source.replaceAll("'./", "'../src/handlers/");
        this.write(`test/${file}`, withRecipe.replaceAll("'../../src/", "'../src/").replaceAll("'../../test/", "'./"));
      }
    }
  }

  /** Begins a history of its own, as an owner does. */
  commit(): void {
    const git = (...options: string[]) => execFileSync('git', options, { cwd: this.folder });
    git('init', '--quiet', '--initial-branch=main');
    // .gitignore speaks of a folder, and this is a link.
    this.write('.git/info/exclude', 'node_modules\n');
    git('add', '--all');
    git('-c', 'user.name=Owner', '-c', 'user.email=owner@example.com', 'commit', '--quiet', '--message=Begin');
  }

  /** Runs scripts/slim.ts, which must find every line that it looks for. */
  async slim(options = ''): Promise<void> {
    this.commit();
    const output = await this.run(`node --import tsx scripts/slim.ts ${options}`);
    assert.doesNotMatch(output, /^not found|^no change: (?!test\/README)|still mention|stays/m, output);
  }

  async installed(packageName: string): Promise<void> {
    this.remove('node_modules');
    await this.run(`npm install --no-audit --no-fund --loglevel=error ${packageName}`, process.env['PATH']!);
  }

  /** Resolves with the output of a command, and rejects with it if the command fails. */
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
    const { status } = await fetch(url, { signal: AbortSignal.timeout(20_000) });
    assert.ok(status < 500, `npm start responds ${status}`);
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
