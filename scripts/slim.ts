/**
 * Reduces a clone to the server. Deletes the notes example, scripts/ and test/cors/, and the lines that mention them.
 *
 *     node --import tsx scripts/slim.ts [--engine-tests]
 *
 * With --engine-tests, it deletes test/http/ too. Node 22.18 and newer need no `--import tsx`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const LINE_LENGTH = 120;
/** The parts of the template in scripts/. Everything else there is the owner's. */
const TEMPLATE_SCRIPTS = ['cors', 'deploy', 'maintenance', 'recipes', 'slim.ts'];
const MENTION = new RegExp(
  `\\bscripts/(?:${TEMPLATE_SCRIPTS.join('|').replace('.', '\\.')})|\`scripts/\`|\\btest/cors\\b` +
    '|\\bcors:(?:explain|playground)\\b|\\b(?:NOTES_LIMIT|notesLimit|notesRoutes)\\b|\\bnotes(?:\\.test)?\\.ts\\b',
);

process.chdir(join(import.meta.dirname, '..'));
const withEngineTests = readOptions();
requireCommitted();

for (const path of ['src/handlers/notes.ts', 'test/notes.test.ts', 'test/cors']) remove(path);
for (const name of TEMPLATE_SCRIPTS) remove(`scripts/${name}`);
if (withEngineTests) for (const path of ['test/http', 'test/README.md']) remove(path);
if (existsSync('scripts') && readdirSync('scripts').length === 0) rmdirSync('scripts');

edit('package.json', withoutScripts);
if (!existsSync('scripts')) edit('tsconfig.json', (text) => text.replace(/, *"scripts"|"scripts", */, ''));
edit('src/config.ts', withoutLines);
edit('src/routes.ts', withoutRoutes);
edit('test/config.test.ts', withoutLines);
edit('README.md', withoutSentences);
edit('test/README.md', withoutSentences);
edit('.ci/run', withoutLines);
for (const file of trackedFiles().filter((name) => name.startsWith('.github/'))) edit(file, withoutLines);
report();

function readOptions(): boolean {
  try {
    return parseArgs({ options: { 'engine-tests': { type: 'boolean' } } }).values['engine-tests'] ?? false;
  } catch (error) {
    return stop(`${(error as Error).message}\nUsage: node --import tsx scripts/slim.ts [--engine-tests]`);
  }
}

function requireCommitted(): void {
  let changes;
  try {
    changes = git('status', '--porcelain', '--', '.');
    git('rev-parse', '--verify', 'HEAD');
  } catch {
    return stop('The repository has no commit to return to: run git init, git add . and git commit first');
  }
  if (changes) stop(`Commit or stash your changes first, so that git can undo this:\n${changes.trimEnd()}`);
}

function stop(message: string): never {
  console.error(message);
  process.exit(1);
}

function git(...commandLine: string[]): string {
  return execFileSync('git', commandLine, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

function trackedFiles(): string[] {
  return git('ls-files', '-z').split('\0').filter((file) => file && existsSync(file));
}

function remove(path: string): void {
  if (!existsSync(path)) return console.log(`not found: ${path}`);
  rmSync(path, { recursive: true });
  console.log(`deleted:   ${path}`);
}

function edit(file: string, change: (text: string) => string): void {
  if (!existsSync(file)) return;
  const before = readFileSync(file, 'utf8');
  const after = change(before);
  console.log(`${after === before ? 'no change:' : 'changed:  '} ${file}`);
  if (after !== before) writeFileSync(file, after);
}

function withoutScripts(text: string): string {
  const manifest = JSON.parse(text) as { scripts?: Record<string, string> };
  const mentions = Object.entries(manifest.scripts ?? {}).filter(([, command]) => MENTION.test(command));
  for (const [name] of mentions) delete manifest.scripts![name];
  return mentions.length > 0 ? `${JSON.stringify(manifest, undefined, 2)}\n` : text;
}

/** Drops each line with a mention, the comment above it, and the indented lines that belong to it. */
function withoutLines(text: string): string {
  const lines = text.replaceAll(' test/notes.test.ts', '').split('\n');
  const left: string[] = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    if (!MENTION.test(line)) {
      left.push(line);
      continue;
    }
    while (/^\s*(?:#(?!!)|\/\/|\/\*\*.*\*\/$)/.test(left.at(-1) ?? '')) left.pop();
    const indentation = line.search(/\S/);
    const first = at;
    while ((lines[at + 1] ?? '').search(/\S/) > indentation) at++;
    const isClosed = at > first && /^\s*(?:fi|done|[}\])]+[;,]*)$/.test(lines[at + 1] ?? '');
    if (isClosed && lines[at + 1]!.search(/\S/) === indentation) at++;
    if (left.at(-1) === '' && lines[at + 1] === '') at++;
  }
  return left.join('\n');
}

/** Drops what is imported from handlers/notes.ts, as `'/notes': NotesHandler` or `...notesRoutes()`. */
function withoutRoutes(text: string): string {
  const [statement, list] = /^import \{([^}]*)\} from '\.\/handlers\/notes\.ts';\n/m.exec(text) ?? [];
  if (statement === undefined) return text;
  const names = list!.split(',').map((name) => name.trim().split(' ').at(-1)).filter(Boolean).join('|');
  const entry = `(?:'[^'\\n]*': *(?:${names})\\b|\\.\\.\\.(?:${names})\\([^()\\n]*\\))`;
  const left = text.replace(statement, '').replace(new RegExp(`^ *(?:${entry},? *)+\\n`, 'gm'), '');
  return left.replace(new RegExp(`, *${entry}|${entry},? *`, 'g'), '');
}

/** Drops each table row, clause of a table cell, or sentence of Markdown with a mention. */
function withoutSentences(text: string): string {
  let source = text.replaceAll('notes.test.ts', 'status.test.ts');
  if (withEngineTests) {
    source = source.replaceAll('src/http test/http', 'src/http').replace('`src/http/`, `test/http/`', '`src/http/`');
    source = source.replace('**engine** and its tests', '**engine**');
  }
  const blocks = source.split(/(^```[^]*?^```$|^\|.*$|^#.*$|^$|^(?=[-*] ))/m).filter((block) => block !== undefined);
  return blocks.map((block) => (MENTION.test(block) ? shortened(block) : block)).join('')
    .replace(/^(\|.*)\n\n(?=\|)/gm, '$1\n').replace(/\n{3,}/g, '\n\n');
}

function shortened(block: string): string {
  if (block.startsWith('```')) return block.split('\n').filter((line) => !MENTION.test(line)).join('\n');
  if (!block.startsWith('|')) {
    const [start] = /^\s*(?:[-*] )?/.exec(block)!;
    const sentences = block.slice(start.length).trimEnd().split(/(?<=[.!?])\s+(?=[A-Z`[*])/);
    const left = sentences.filter((sentence) => !MENTION.test(sentence));
    return left.length > 0 ? `${start}${wrapped(left.join(' '))}\n` : '\n';
  }
  const [first, ...cells] = block.split('|').slice(1, -1);
  if (MENTION.test(first!)) return '';
  const clauses = (cell: string) => cell.split(';').filter((clause) => !MENTION.test(clause)).join(';').trim();
  return `|${[first, ...cells.map((cell) => ` ${clauses(cell)} `)].join('|')}|`;
}

function wrapped(text: string): string {
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1)!;
    if (line && line.length + 1 + word.length > LINE_LENGTH) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines.join('\n');
}

function report(): void {
  const files = trackedFiles();
  const mentions = files.filter((file) => !isOfEngine(file)).flatMap(mentionsIn);
  if (mentions.length > 0) console.log('\nThese lines still mention what is deleted. Change them yourself:');
  for (const line of mentions) console.log(line);
  if (existsSync('scripts')) console.log(`\nscripts/ stays, with your own ${readdirSync('scripts').join(', ')}`);
  const count = (folder: string) => files.filter((file) => file.startsWith(folder)).length;
  console.log(`\nLeft: ${files.length} files, of which src/ has ${count('src/')} and test/ has ${count('test/')}`);
  console.log('Now run npm run typecheck and npm test, then commit. To undo all of it: git restore .');
}

/** Returns whether an update replaces the file. It stays as it is, so that git shows no differences from the owner. */
function isOfEngine(file: string): boolean {
  return /^(?:src|test)\/http\//.test(file);
}

function mentionsIn(file: string): string[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((line, index) => (MENTION.test(line) ? `${file}:${index + 1}: ${line.trim()}` : []));
}
