import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { Connection, requestBytes } from './connection.ts';
import { ServerProcess } from './server-process.ts';

/** Resolves once nothing listens on the port. */
async function untilRefused(port: number): Promise<void> {
  for (let isOpen = true; isOpen; ) {
    const socket = connect(port, '127.0.0.1');
    isOpen = await new Promise((resolve) => socket.once('connect', () => resolve(true)).once('error', () => resolve(false)));
    socket.destroy();
  }
}

for (const log of ['text', 'json', 'off']) {
  test(`the first line on standard output names the address, with LOG=${log}`, async (t) => {
    const server = new ServerProcess(t, { LOG: log });
    const port = await server.port();
    const [line] = server.output.split('\n');
    if (log === 'json') assert.equal(JSON.parse(line!).listening, `http://127.0.0.1:${port}`);
    else assert.equal(line, `Listening on http://127.0.0.1:${port}`);
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  });
}

test('with LOG=text, the start shows the routes with their methods, and the policy in one sentence', async (t) => {
  const server = new ServerProcess(t, { LOG: 'text' });
  await server.printed(/^ {2}\/notes\/:id {2}GET, HEAD, PUT, DELETE, OPTIONS\n[^]*^CORS: any page may call this API, without cookies\n/m);
  const other = new ServerProcess(t, { LOG: 'text', CORS_ORIGINS: 'https://a.example,https://b.example', CORS_CREDENTIALS: 'true' });
  await other.printed(/^CORS: pages of https:\/\/a.example, https:\/\/b.example may call this API, with cookies\n/m);
});

test('with LOG=text, the log says once per cause why a page was refused or will stumble, and what to change', async (t) => {
  const server = new ServerProcess(t, { LOG: 'text', CORS_ORIGINS: 'https://app.example.com' });
  const url = `http://127.0.0.1:${await server.port()}`;
  const origin = 'https://app.example.com';
  const note = { method: 'POST', headers: { origin, 'content-type': 'application/json' }, body: '{"title":"1"}' };
  for (let turn = 0; turn < 2; turn++) {
    await fetch(url, { headers: { origin: 'https://other.example' } });
    await fetch(`${url}/notes`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'content-type,x-token' } });
    await fetch(`${url}/notes`, note);
    await fetch(`${url}/notes`, { ...note, headers: { 'content-type': 'application/json' } });
  }
  await fetch(`${url}/the-end`);
  await server.printed(/the-end/);
  assert.deepEqual(server.output.match(/(?<=cors: ).*/g), [
    'refused https://other.example: not among CORS_ORIGINS (add it there)',
    'PUT /notes is not implemented (NotesHandler has doGet, doPost)',
    'x-token is not allowed (add it to CORS_ALLOWED_HEADERS)',
    'a page cannot read the Location of /notes (add it to CORS_EXPOSED_HEADERS)',
  ]);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal}: what is in flight is answered, and the process exits with 0`, async (t) => {
    const server = new ServerProcess(t, { LOG: 'off' });
    const port = await server.port();
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 2', 'Expect: 100-continue']));
    await connection.until('100 Continue');
    server.child.kill(signal);
    await untilRefused(port);
    connection.send('[]');
    assert.match(await connection.untilClosed(), /200 OK[^]*Connection: close[^]*\{"status":"OK","received":\[\]\}/);
    assert.equal(await server.ended(), 0);
  });
}

test('a port in use is named in one line, and the exit code is 1', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const server = new ServerProcess(t, { PORT: String(port) });
  assert.equal(await server.ended(), 1);
  assert.equal(server.output, '');
  assert.match(server.errors, new RegExp(`^PORT=${port}: is taken on 127.0.0.1.*\n$`));
});

test('several bad variables are named together, a line each, without a stack', async (t) => {
  const server = new ServerProcess(t, { PORT: 'eighty', CORS_ORIGINS: 'example.com', LOG: 'loud' });
  assert.equal(await server.ended(), 1);
  assert.equal(server.output, '');
  assert.deepEqual(server.errors.trimEnd().split('\n').map((line) => line.split('=')[0]).sort(), ['CORS_ORIGINS', 'LOG', 'PORT']);
});
