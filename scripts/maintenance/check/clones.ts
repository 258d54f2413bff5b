/**
 * Checks that a clone can become somebody's own. Makes a copy for each change that the README allows, and runs `npm run
 * typecheck`, its tests and `npm start` in it. The copies run without browsers, because none of these changes concerns
 * them.
 *
 *     node --import tsx scripts/maintenance/check/clones.ts [name…]
 */
import assert from 'node:assert/strict';
import { Clone } from './clone.ts';

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

/** Settings whose names are like those that others set, or that the engine has. */
const SETTINGS = `    redisHost: text('REDIS_HOST', { default: 'localhost' }),
    logLevel: text('LOG_LEVEL', { default: 'info' }),
    color: choice('NOTE_COLOR', { default: 'red', choices: ['red', 'blue'] }),
    corsLabel: text('CORS_LABEL', { default: '' }),
    secret: text('SESSION_SECRET', { default: '' }),
`;
const CHECK = "  if (yours.secret === '') reader.errors.push('SESSION_SECRET: must not be empty');\n";

/** Each change returns the command that tests it. */
const changes: Record<string, (clone: Clone) => Promise<string>> = {
  'all recipes are copied, and slim.ts has run': async (clone) => {
    clone.copyRecipes();
    await clone.slim();
    // The other tests of the engine depend on nothing that slim.ts removes, and take a minute.
    return 'npm test -- test/*.test.ts test/http/startup';
  },
  'handlers, routes and their tests are replaced by one with zod and node:http; ESLint, another README, settings':
    async (clone) => {
      clone.replaceHandlers('TodosHandler', 'todos.ts', TODOS, '/', '/');
      clone.write('README.md', '# My API\n');
      clone.insertBefore('src/config.ts', "    notesLimit: number('NOTES_LIMIT'", SETTINGS);
      clone.insertBefore('src/config.ts', '  const host = readHost();', CHECK);
      clone.insertBefore('test/required-settings.ts', '};', " SESSION_SECRET: 'only for tests' ");
      clone.write('.env', 'SESSION_SECRET=secret\n');
      // typescript-eslint accepts only some versions of TypeScript, and node:sqlite needs newer types of Node.
      await clone.installed('zod eslint typescript-eslint @types/node@24');
      return 'npm run test:yours';
    },
  'slim.ts has run with --engine-tests': async (clone) => {
    await clone.slim('--engine-tests');
    return 'npm test';
  },
  'all that can go is gone': async (clone) => {
    await clone.slim('--engine-tests');
    clone.replaceHandlers('HelloHandler', 'hello.ts', HELLO, '/hello/:name', '/hello/Ada');
    return 'npm test';
  },
};

const chosen = process.argv.slice(2);
const CARELESS = 'a policy without its type is reported at its class and its route';
const isChosen = (name: string): boolean => chosen.length === 0 || chosen.some((part) => name.includes(part));
assert.ok([...Object.keys(changes), CARELESS].some(isChosen), `Choose from: ${Object.keys(changes).join('; ')}`);
for (const name of Object.keys(changes).filter(isChosen)) {
  const clone = new Clone();
  try {
    const tests = await changes[name]!(clone);
    await clone.run('npm run typecheck');
    const summary = (await clone.run(tests)).trim().split('\n').at(-1);
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
    const files = errors.map((line) => line.split('(', 1)[0]);
    assert.deepEqual(files, ['src/handlers/hello.ts', 'src/routes.ts'], errors.join('\n'));
    console.log(`ok: ${CARELESS}`);
  } finally {
    clone.delete();
  }
}
