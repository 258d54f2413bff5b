import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, type Server, createServer, request } from 'node:http';
import { json } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { startPlayground } from '../../scripts/cors/playground-command.ts';
import { createPlayground } from '../../scripts/cors/playground/server.ts';
import { listen } from '../listen.ts';
import { routes } from './api.ts';
import { serve } from './serve.ts';
import { within } from './within.ts';

const routesFile = 'test/cors/api.ts';

async function start(t: TestContext, server: Server): Promise<string> {
  return `http://127.0.0.1:${await serve(t, server)}`;
}

/** Sends /perform as the page of the playground does, unless `headers` differ. */
async function perform(
  page: string,
  wanted: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; result: Record<string, unknown> }> {
  const outgoing = request(`${page}/perform`, {
    method: 'POST',
    headers: { origin: page, 'content-type': 'application/json', ...headers },
  });
  outgoing.end(JSON.stringify(wanted));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: response.statusCode!, result: (await json(response)) as Record<string, unknown> };
}

test('reads the paths of the API from the routes file, if there is one', async (t) => {
  const page = await start(t, createPlayground('http://localhost:8000'));
  assert.deepEqual(await (await fetch(`${page}/target`)).json(), { target: 'http://localhost:8000', paths: [] });
  const other = await start(t, createPlayground('http://localhost:8000', { routes: routesFile }));
  const paths = ['/', '/notes', '/notes/:id'];
  assert.deepEqual(await (await fetch(`${other}/target`)).json(), { target: 'http://localhost:8000', paths });
});

test('serves the model and the advice to the page as JavaScript, with all imports', async (t) => {
  const page = await start(t, createPlayground('http://localhost:8000'));
  const paths = ['/playground.js'];
  for (const path of paths) {
    const response = await fetch(page + path);
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get('content-type'), 'text/javascript; charset=utf-8', path);
    const source = await response.text();
    assert.doesNotMatch(source, /^(?:export )?(?:type|interface) /m, path);
    for (const [, from] of source.matchAll(/^(?:import|\} from)\b[^;]*?["']([^"']+)["'];$/gm)) {
      const imported = new URL(from!, page + path).pathname;
      if (!paths.includes(imported)) paths.push(imported);
    }
  }
  for (const path of ['/browser-model.ts', '/advice.ts']) assert.ok(paths.includes(path), path);
});

test('serves a page that loads only its own files', async (t) => {
  const page = await start(t, createPlayground('http://localhost:8000'));
  const response = await fetch(page);
  const policy = response.headers.get('content-security-policy') ?? '';
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  const names = [...(await response.text()).matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map(([, name]) => name!);
  assert.deepEqual(names.toSorted(), ['/playground.js', '/style.css']);
  for (const name of names) assert.equal((await fetch(page + name)).status, 200);
  assert.equal((await fetch(`${page}/server.ts`)).status, 404);
});

test('sends a request for its own page, with headers that no page can send or read', async (t) => {
  const { url } = await listen(t, routes);
  const page = await start(t, createPlayground('http://localhost:8000'));
  const headers = [['Origin', 'https://app.example.com'], ['Access-Control-Request-Method', 'PUT']];
  const { status, result } = await perform(page, { method: 'OPTIONS', url: `${url}/notes/1`, headers });
  assert.equal(status, 200);
  assert.equal(result['status'], 204);
  assert.ok((result['headers'] as string[][]).some(([name]) => name === 'Access-Control-Allow-Methods'));
});

test('rejects requests from another origin or under another host name', async (t) => {
  let requests = 0;
  const target = await start(t, createServer((_request, response) => response.end(String(requests++))));
  const page = await start(t, createPlayground(target));
  const wanted = { method: 'GET', url: target, headers: [] };
  assert.equal((await perform(page, wanted, { origin: 'https://evil.example.com' })).status, 403);
  assert.equal((await perform(page, wanted, { origin: 'null' })).status, 403);
  for (const host of ['evil.example.com', 'localhost.example.com']) {
    assert.equal((await perform(page, wanted, { origin: `http://${host}`, host })).status, 421);
  }
  assert.equal(requests, 0);
  assert.equal((await perform(page, wanted)).status, 200);
  assert.equal(requests, 1);
});

test('sends requests only to this machine and to the target', async (t) => {
  const page = await start(t, createPlayground('http://api.example.invalid:8000'));
  for (const url of [
    'http://example.com', 'http://192.168.0.1', 'http://localhost.example.com', 'http://127.0.0.1.example.com',
    'http://api.example.invalid', 'http://169.254.169.254',
  ]) {
    const { status, result } = await perform(page, { method: 'GET', url, headers: [] });
    assert.equal(status, 403, url);
    assert.match(String(result['error']), /calls only this machine and its target/);
  }
  for (const url of ['file:///etc/passwd', 'ftp://localhost', 'localhost:8000', '']) {
    assert.equal((await perform(page, { method: 'GET', url, headers: [] })).status, 400, url);
  }
  // The target is allowed, but does not exist.
  const wanted = { method: 'GET', url: 'http://api.example.invalid:8000/', headers: [] };
  assert.equal((await perform(page, wanted)).status, 502);
});

/** Runs the command in its own process, as a user would. */
function npmRunPlayground(t: TestContext, ...commandLine: string[]) {
  const child = spawn(process.execPath, [...process.execArgv, 'scripts/cors/playground.ts', ...commandLine]);
  t.after(() => child.kill('SIGKILL'));
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += chunk));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, errors }));
  return { child, ended };
}

test('prints the address of the page, and no warning', async (t) => {
  const options = ['--port', '0', '--target', 'http://localhost:8123/', '--routes', routesFile];
  const { child, ended } = npmRunPlayground(t, ...options);
  const [line] = await within('it prints the address of the page', once(child.stdout, 'data'));
  const expected = /^Open (http:\/\/127\.0\.0\.1:\d+) in a browser\. The page calls http:\/\/localhost:8123\n$/;
  const [, page] = expected.exec(String(line))!;
  const paths = ['/', '/notes', '/notes/:id'];
  assert.deepEqual(await (await fetch(`${page}/target`)).json(), { target: 'http://localhost:8123', paths });
  assert.equal((await fetch(`${page}/advice.ts`)).status, 200);
  child.kill();
  assert.equal((await within('it exits', ended)).errors, '');
});

test('reports an invalid option on one line, and exits with 2', async (t) => {
  const taken = new URL(await start(t, createServer())).port;
  const invalid: [option: string, value: string, advice: RegExp][] = [
    ['--port', taken, /is already in use: .*choose another --port$/],
    ['--port', 'eighty', /write a number from 0 to 65535$/],
    ['--routes', 'nowhere.ts', /does not exist; write a file such as src\/routes\.ts$/],
    ['--target', 'localhost:8000', /such as http:\/\/localhost:8000$/],
    ['--prot', '8001', /--help shows the options/],
  ];
  for (const [option, value, advice] of invalid) {
    const { code, output, errors, server } = await startPlayground([option, value]);
    server?.close();
    assert.equal(code, 2);
    assert.equal(output, '');
    assert.match(errors, /^[^\n]+\n$/);
    assert.match(errors.trimEnd(), advice);
  }
  const { code, errors } = await within('it exits', npmRunPlayground(t, '--port', taken).ended);
  assert.equal(code, 2);
  assert.match(errors, /^[^\n]+ is already in use: [^\n]+\n$/);
});

test('prints the options for --help, and starts no server', async () => {
  const { code, output, server } = await startPlayground(['--help']);
  assert.equal(code, 0);
  assert.equal(server, undefined);
  for (const option of ['target', 'routes', 'port']) assert.match(output, new RegExp(`^  --${option} `, 'm'));
});
