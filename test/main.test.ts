import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
/** As this process runs; `--import tsx` is otherwise looked for in the folder in which the server starts. */
const OPTIONS = process.execArgv.map((option) => (option === 'tsx' ? import.meta.resolve('tsx') : option));
const LISTENING = /^Listening on http:\/\/127\.0\.0\.1:\d+$/;
const MKFIFO = '/usr/bin/mkfifo';
/** For a start that neither listens nor gives up, in milliseconds. */
const LIMIT = 20_000;

interface Scope {
  after(end: () => void): void;
}

/** Starts the server with these variables and no others, in a folder without .env, if not in another. */
function start(t: Scope, environment: Record<string, string>, cwd = tmpdir()) {
  const { PATH } = process.env;
  const env = { PATH, PORT: '0', ...environment };
  const server = spawn(process.execPath, [...OPTIONS, MAIN], { env, cwd, timeout: LIMIT });
  t.after(() => server.kill('SIGKILL'));
  return server;
}

/** Resolves with what the server prints until a line is like this one. */
async function firstLines({ stdout }: ChildProcessWithoutNullStreams, last = /\n/): Promise<string[]> {
  let output = '';
  for await (const chunk of stdout.setEncoding('utf8')) if (last.test((output += chunk))) break;
  return output.split('\n');
}

/** Resolves with what a server that cannot start says on standard error, a line each. */
async function faults(...how: Parameters<typeof start>): Promise<string[]> {
  const server = start(...how);
  const exit = once(server, 'exit');
  const [output, errors, [exitCode]] = await Promise.all([text(server.stdout), text(server.stderr), exit]);
  assert.equal(output, '');
  assert.equal(exitCode, 1);
  return errors.trimEnd().split('\n');
}

describe('a process that starts', { concurrency: true }, () => {
  const watched = { WATCH_REPORT_DEPENDENCIES: '1', SHUTDOWN_DELAY: '3600', SHUTDOWN_TIMEOUT: '3600' };
  for (const [log, seconds, environment] of [
    ['json', 65, {}],
    ['off', 7, { KEEP_ALIVE_TIMEOUT: '7', ...watched }],
  ] as const) {
    describe(`with LOG=${log}`, { concurrency: 1 }, () => {
      const server = start({ after }, { LOG: log, ...environment });
      const lines = firstLines(server);

      test('names its address in the first line', async () => {
        const [line] = await lines;
        assert.match(log === 'json' ? `Listening on ${JSON.parse(line!).listening}` : line!, LISTENING);
      });

      test(`keeps an idle connection for ${seconds} seconds`, async () => {
        const [line] = await lines;
        const request = get(/http:[^"\s]+/.exec(line!)![0], { agent: new Agent({ keepAlive: true }) });
        const [response] = (await once(request, 'response')) as [IncomingMessage];
        response.destroy();
        assert.equal(response.headers['keep-alive'], `timeout=${seconds}`);
      });

      if (log !== 'off') return;
      test('makes way at once under npm run dev, whatever the settings say of stopping', async () => {
        await lines;
        const exited = once(server, 'exit');
        server.kill('SIGTERM');
        assert.deepEqual(await exited, [0, null]);
      });
    });
  }

  test('names its address, every route with its methods, and the policy, with LOG=text', async (t) => {
    const origins = 'https://a.example,https://b.example';
    const server = start(t, { LOG: 'text', CORS_ORIGINS: origins, CORS_CREDENTIALS: 'true' });
    const lines = await firstLines(server, /^CORS.*\n/m);
    const { routes } = await import('../src/routes.ts');
    assert.match(lines[0]!, LISTENING);
    const shown = lines.slice(1, -2).map((line) => /^ {2}(\/\S*) +.*OPTIONS/.exec(line)?.[1]);
    assert.deepEqual(shown, Object.keys(routes));
    assert.equal(lines.at(-2), 'CORS: pages from https://a.example, https://b.example may call this API, with cookies');
  });

  test('names a port in use in one line, and exits with 1', async (t) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    t.after(() => other.close());
    const { port } = other.address() as AddressInfo;
    const [line, ...rest] = await faults(t, { PORT: String(port) });
    assert.match(line!, new RegExp(`^PORT=${port}: is already in use on 127\\.0\\.0\\.1: `));
    assert.deepEqual(rest, []);
  });

  const skip = existsSync(MKFIFO) ? false : `there is no ${MKFIFO}`;
  test('reads a .env that is a pipe, as keepers of secrets have it', { skip }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'env-'));
    t.after(() => rmSync(folder, { recursive: true }));
    execFileSync(MKFIFO, [join(folder, '.env')]);
    const server = start(t, { LOG: 'text' }, folder);
    spawn('/bin/sh', ['-c', 'echo CORS_ORIGINS=https://a.example > .env'], { cwd: folder, timeout: LIMIT });
    const lines = await firstLines(server, /^CORS: .*\n/m);
    assert.match(lines.join('\n'), /^CORS: pages from https:\/\/a\.example may call/m);
  });

  const unreadable: Record<string, (file: string) => void> = {
    'is a folder': (file) => mkdirSync(file),
    'is UTF-16, as some shells write it': (file) => writeFileSync(file, '\ufeffLOG=off\n', 'utf16le'),
    'begins with a byte order mark': (file) => writeFileSync(file, '\ufeffLOG=off\n'),
  };
  for (const [what, write] of Object.entries(unreadable)) {
    test(`does not start with a .env that ${what}: its settings would silently be the defaults`, async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'env-'));
      t.after(() => rmSync(folder, { recursive: true }));
      write(join(folder, '.env'));
      const lines = await faults(t, {}, folder);
      assert.equal(lines.length, 1, lines.join('\n'));
      assert.match(lines[0]!, /^\.env: /);
    });
  }

  test('names all bad variables together, in .env or misspelt too, a line each, and exits with 1', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'env-'));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, '.env'), 'PORT=ninety\nBODY_LIMIT=1MB\n');
    const lines = await faults(t, { PORT: 'eighty', CORS_ORIGINS: 'example.com', ALLOWED_HOST: 'example.com' }, folder);
    const named = lines.map((line) => line.split(': ')[0]);
    assert.deepEqual(named.sort(), ['ALLOWED_HOST', 'BODY_LIMIT=1MB', 'CORS_ORIGINS=example.com', 'PORT=eighty']);
  });
});
