import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, type IncomingMessage, get } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { required } from './required-settings.ts';

const CONFIG = new URL('../src/config.ts', import.meta.url).href;
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
/** The loader of this process with an absolute path, because the server starts in another directory. */
const OPTIONS = process.execArgv.map((option) =>
  option.replace(/(?<=^|^--import=)tsx$/, () => import.meta.resolve('tsx')),
);
const LISTENING = /^Listening on http:\/\/127\.0\.0\.1:\d+$/;
const MKFIFO = '/usr/bin/mkfifo';
/** Timeout for a server that neither starts nor exits, in milliseconds. */
const TIMEOUT_MS = 30_000;

interface Scope {
  after(end: () => void): void;
}

interface Setup {
  /** Environment variables besides PATH and PORT. */
  environment?: Record<string, string>;
  /** The working directory. By default, a directory without .env. */
  cwd?: string;
  /** Arguments for node before main.ts. */
  options?: string[];
  arguments?: string[];
}

function start(t: Scope, { environment, cwd = temporaryFolder(t), options = [], arguments: after = [] }: Setup = {}) {
  const { PATH } = process.env;
  const env = { PATH, PORT: '0', NODE_NO_WARNINGS: '1', ...required, ...environment };
  const server = spawn(process.execPath, [...OPTIONS, ...options, MAIN, ...after], { env, cwd, timeout: TIMEOUT_MS });
  t.after(() => server.kill('SIGKILL'));
  return server;
}

function temporaryFolder(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'main-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Resolves with the output from the address up to the first line that matches the pattern. */
async function firstLines({ stdout }: ChildProcessWithoutNullStreams, last = /(?:Listening|listening).*\n/) {
  let output = '';
  for await (const chunk of stdout.setEncoding('utf8')) if (last.test((output += chunk))) break;
  const lines = output.split('\n');
  // Your own modules may write something while they are loaded.
  return lines.slice(lines.findIndex((line) => /listening/i.test(line)));
}

/** Resolves with the stderr lines of a server that fails to start. */
async function errorsOf(...how: Parameters<typeof start>): Promise<string[]> {
  const server = start(...how);
  const exit = once(server, 'exit');
  const [output, errors, [exitCode]] = await Promise.all([text(server.stdout), text(server.stderr), exit]);
  assert.doesNotMatch(output, /listening/i);
  assert.equal(exitCode, 1);
  return errors.trimEnd().split('\n');
}

describe('main.ts', { concurrency: true }, () => {
  for (const [log, seconds, environment] of [['json', 65, {}], ['off', 7, { KEEP_ALIVE_TIMEOUT: '7' }]] as const) {
    describe(`with LOG=${log}`, { concurrency: 1 }, () => {
      const server = start({ after }, { environment: { LOG: log, ...environment } });
      const lines = firstLines(server);

      test('prints its address', async () => {
        const [line] = await lines;
        assert.match(log === 'json' ? `Listening on ${JSON.parse(line!).listening}` : line!, LISTENING);
      });

      test(`sets the keep-alive timeout to ${seconds} seconds`, async () => {
        const [line] = await lines;
        const request = get(/http:[^"\s]+/.exec(line!)![0], { agent: new Agent({ keepAlive: true }) });
        const [response] = (await once(request, 'response')) as [IncomingMessage];
        response.destroy();
        assert.equal(response.headers['keep-alive'], `timeout=${seconds}`);
      });
    });
  }

  test('exits immediately with --dev, regardless of the shutdown settings', async (t) => {
    const environment = { SHUTDOWN_DELAY: '3600', SHUTDOWN_TIMEOUT: '3600' };
    const server = start(t, { environment, arguments: ['--dev'] });
    await firstLines(server);
    const exited = once(server, 'exit');
    server.kill('SIGTERM');
    assert.deepEqual(await exited, [0, null]);
  });

  test('prints its address, all routes and methods, and the CORS policy: LOG=text', async (t) => {
    const server = start(t, { environment: { LOG: 'text' } });
    const lines = await firstLines(server, /^CORS.*\n/m);
    const { routes } = await import('../src/routes.ts');
    assert.match(lines[0]!, LISTENING);
    const shown = lines.slice(1, -2).map((line) => /^ {2}(\/\S*) +.*OPTIONS/.exec(line)?.[1]);
    assert.deepEqual(shown, Object.keys(routes));
    assert.match(lines.at(-2)!, /^CORS: .+ may call this API, with(?:out)? cookies$/);
  });

  test('serves any Host on HOST=0.0.0.0, as hosting platforms need', async (t) => {
    const [line] = await firstLines(start(t, { environment: { HOST: '0.0.0.0', LOG: 'text' } }));
    const port = /^Listening on http:\/\/0\.0\.0\.0:(\d+)$/.exec(line!)?.[1];
    const headers = { host: 'api.onrender.com' };
    const request = get({ host: '127.0.0.1', port, headers, agent: false });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    // The routes are the owner's, so any response but 421 Misdirected Request shows that the name is allowed.
    assert.notEqual(response.statusCode, 421);
  });

  test('starts on 127.0.0.1 with a warning if HOST is a name', async (t) => {
    const server = start(t, { environment: { HOST: 'x86_64-conda-linux-gnu', LOG: 'text' } });
    const [lines, [warning]] = await Promise.all([firstLines(server), once(server.stderr.setEncoding('utf8'), 'data')]);
    assert.match(lines[0]!, LISTENING);
    assert.match(warning, /^HOST=x86_64-conda-linux-gnu: ignored, .*\n$/);
  });

  test('reports a port in use on one line and exits with code 1', async (t) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    t.after(() => other.close());
    const { port } = other.address() as AddressInfo;
    const [line, ...rest] = await errorsOf(t, { environment: { PORT: String(port) } });
    assert.match(line!, new RegExp(`^PORT=${port}: is already in use on 127\\.0\\.0\\.1: `));
    assert.deepEqual(rest, []);
  });

  test('reports an address of another machine on one line and exits with code 1', async (t) => {
    const [line, ...rest] = await errorsOf(t, { environment: { HOST: '192.0.2.1' } });
    assert.match(line!, /^HOST=192\.0\.2\.1: cannot listen there \(EADDRNOTAVAIL\): set an address of this machine/);
    assert.deepEqual(rest, []);
  });

  test('says which Node it needs if the version is too old', async (t) => {
    const pretend = `Object.defineProperty(process, 'version', { value: 'v20.11.1' })`;
    const options = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`];
    assert.deepEqual(await errorsOf(t, { options }), ['Node v20.11.1 is too old: install Node 20.12 or newer']);
  });
});

describe('.env', { concurrency: true }, () => {
  test('gives way to the environment', async (t) => {
    const cwd = temporaryFolder(t);
    writeFileSync(join(cwd, '.env'), 'LOG=json\nBODY_LIMIT=x\nKEEP_ALIVE_TIMEOUT=x\n');
    const lines = await errorsOf(t, { environment: { BODY_LIMIT: '1' }, cwd });
    assert.match(lines.join('\n'), /^KEEP_ALIVE_TIMEOUT=x: .*$/);
  });

  test('is read by the first module that imports config.ts', async (t) => {
    const cwd = temporaryFolder(t);
    writeFileSync(join(cwd, '.env'), 'PORT=1234\nOTHER=5\n');
    const first = `import { config } from ${JSON.stringify(CONFIG)}; console.log(config.port, process.env.OTHER);`;
    writeFileSync(join(cwd, 'first.mjs'), first);
    const { PATH = '' } = process.env;
    const how = { cwd, env: { PATH, ...required }, timeout: TIMEOUT_MS };
    const output = execFileSync(process.execPath, [...OPTIONS, 'first.mjs'], how);
    assert.equal(String(output), '1234 5\n');
  });

  test('is not read by tests', (t) => {
    const cwd = temporaryFolder(t);
    writeFileSync(join(cwd, '.env'), 'PORT=1234\nnonsense\n');
    const own = `import { config } from ${JSON.stringify(CONFIG)}; console.log('port', config.port, config.errors);`;
    writeFileSync(join(cwd, 'own.test.mjs'), own);
    const { PATH = '' } = process.env;
    for (const options of [OPTIONS, [...OPTIONS, '--test', '--test-reporter=tap']]) {
      const how = { cwd, env: { PATH, ...required }, timeout: TIMEOUT_MS };
      assert.match(String(execFileSync(process.execPath, [...options, 'own.test.mjs'], how)), /port 8000 \[\]/);
    }
  });

  const skip = existsSync(MKFIFO) ? false : `this system lacks ${MKFIFO}`;
  test('is read from a named pipe, as secret managers provide it', { skip }, async (t) => {
    const cwd = temporaryFolder(t);
    execFileSync(MKFIFO, [join(cwd, '.env')]);
    const errors = errorsOf(t, { cwd });
    spawn('/bin/sh', ['-c', 'echo BODY_LIMIT=x > .env'], { cwd, timeout: TIMEOUT_MS });
    assert.match((await errors).join('\n'), /^BODY_LIMIT=x: .*$/);
  });

  const unreadable: Record<string, (file: string) => void> = {
    'is a folder': (file) => mkdirSync(file),
    'is UTF-16': (file) => writeFileSync(file, '\ufeffLOG=off\n', 'utf16le'),
    'is Latin-1': (file) => writeFileSync(file, 'NAME=M\u00fcller\n', 'latin1'),
    'begins with a byte order mark': (file) => writeFileSync(file, '\ufeffLOG=off\n'),
    'is a link to a missing file': (file) => symlinkSync('missing', file),
    'has a line that is not NAME=value': (file) => writeFileSync(file, 'CORS_ORIGINS: https://a.example\n'),
  };
  for (const [what, write] of Object.entries(unreadable)) {
    test(`stops the start with one line if it ${what}`, async (t) => {
      const cwd = temporaryFolder(t);
      write(join(cwd, '.env'));
      const lines = await errorsOf(t, { cwd });
      assert.equal(lines.length, 1, lines.join('\n'));
      assert.match(lines[0]!, /^\.env:(?:1:)? /);
    });
  }

  test('adds its errors to those of the environment, one per line', async (t) => {
    const cwd = temporaryFolder(t);
    writeFileSync(join(cwd, '.env'), 'PORT=ninety\nBODY_LIMIT=1MB\nnonsense\n');
    const environment = { PORT: 'eighty', CORS_ORIGINS: 'example.com', ALLOWED_HOST: 'example.com' };
    const named = (await errorsOf(t, { environment, cwd })).map((line) => line.split(': ')[0]);
    assert.deepEqual(named.sort(), [
      '.env:3', 'ALLOWED_HOST', 'BODY_LIMIT=1MB', 'CORS_ORIGINS=example.com', 'PORT=eighty',
    ]);
  });
});
