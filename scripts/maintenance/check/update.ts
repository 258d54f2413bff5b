/**
 * Updates the engine of an owner who cloned the previous version, began a history and wrote a handler. It runs the
 * commands of the README, and then renames what the changelog says.
 *
 * node --import tsx scripts/maintenance/check/update.ts
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { VERSION } from '../../../src/http/index.ts';
import { Clone } from './clone.ts';

/** The last commit of the version before 2.0.0. */
const PREVIOUS = '335fa1e';

const TASKS = `import { HttpError, RequestHandler, type RequestLine } from '../http/index.ts';

const tasks: unknown[] = [];

export class TasksHandler extends RequestHandler {
  override doGet() {
    if (this.draining) throw new HttpError(503);
    return { tasks };
  }
  override async doPost() {
    tasks.push(await this.readJson());
  }
  override logRequest(line: RequestLine) {
    super.logRequest({ ...line, isLost: line.clientLeft || line.cut });
  }
}
`;

try {
  execFileSync('git', ['cat-file', '-e', `${PREVIOUS}^{commit}`], { stdio: 'ignore' });
} catch {
  console.log(`skipped: this clone does not have ${PREVIOUS}, the previous version`);
  process.exit();
}

const template = new Clone();
const owner = new Clone(PREVIOUS);
try {
  template.commit();
  owner.remove('scripts', 'test/cors');
  owner.replaceHandlers('TasksHandler', 'tasks.ts', TASKS, '/tasks', '/tasks');
  owner.commit();
  assert.deepEqual(await owner.typeErrors(), []);

  const [, commands] = /^```sh\n([^]*?FETCH_HEAD[^]*?)^```$/m.exec(template.read('README.md')) ?? [];
  assert.ok(commands, 'README.md has no commands that update the engine');
  await owner.run(`set -e\n${commands.replace('TEMPLATE_URL', `file://${template.folder}`)}`);
  await owner.run(`diff -r src/http ${template.folder}/src/http && diff -r test/http ${template.folder}/test/http`,
    process.env['PATH']!);
  console.log('ok: the commands of the README replace src/http and test/http');

  const changelog = template.read('src/http/CHANGELOG.md');
  assert.equal(/^## (.*)$/m.exec(changelog)?.[1], VERSION, 'The changelog begins with another version than VERSION');
  const rows = changelog.matchAll(/^\| `(\w+)` \| `(.+)` \|$/gm);
  const renames = Array.from(rows, ([, before, now]) => [before!, now!] as const);
  const errors = await owner.typeErrors();
  assert.ok(errors.length > 0, 'Nothing is renamed: remove the renames from this check');
  const unknown = errors.filter((error) => !renames.some(([before]) => error.includes(`'${before}'`)));
  assert.deepEqual(unknown, [], 'The changelog does not say what to do about these errors');
  console.log(`ok: the changelog explains all ${errors.length} type errors`);

  const files = readdirSync(join(owner.folder, 'src'), { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.ts') && !/^http\b/.test(name))) {
    const renamed = renames.reduce((text, [before, now]) => text.replace(new RegExp(`\\b${before}\\b`, 'g'), now),
      owner.read(`src/${file}`));
    owner.write(`src/${file}`, renamed);
  }
  const messages = [...changelog.matchAll(/write `([^`]*)` in place of\s`([^`]*)`/g)];
  assert.ok(messages.length > 0, 'The changelog does not say which messages have changed');
  for (const [, now, before] of messages) {
    owner.write('test/config.test.ts', owner.read('test/config.test.ts').replaceAll(before!, now!));
  }
  await owner.run('npm run typecheck');
  await owner.run('npm run test:yours');
  await owner.run('npm test -- test/http/node test/http/routing');
  await owner.starts();
  console.log('ok: after the renames, types, tests and start are as they should be');
} finally {
  template.delete();
  owner.delete();
}
