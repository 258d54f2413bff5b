import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Connection, requestBytes } from './listen.ts';

interface Started {
  child: ChildProcess;
  output: () => string;
  errors: () => string;
}

function start(t: TestContext, environment: Record<string, string>): Started {
  const child = spawn(process.execPath, [...process.execArgv, 'src/main.ts'], { env: { PATH: process.env['PATH'], PORT: '0', ...environment } });
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (errors += chunk));
  return { child, output: () => output, errors: () => errors };
}

async function portOf({ child, output }: Started): Promise<number> {
  while (!output().includes('\n')) await once(child.stdout!, 'data');
  return Number(/http:\/\/127\.0\.0\.1:(\d+)/.exec(output())![1]);
}

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
    const started = start(t, { LOG: log });
    const port = await portOf(started);
    assert.ok(port > 0);
    const [line] = started.output().split('\n');
    if (log === 'json') assert.equal(JSON.parse(line!).listening, `http://127.0.0.1:${port}`);
    else assert.equal(line, `Listening on http://127.0.0.1:${port}`);
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  });
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal}: what is in flight is answered, and the process exits with 0`, async (t) => {
    const started = start(t, { LOG: 'off' });
    const port = await portOf(started);
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 2', 'Expect: 100-continue']));
    await connection.until('100 Continue');
    started.child.kill(signal);
    await untilRefused(port);
    connection.send('[]');
    assert.match(await connection.untilClosed(), /200 OK[^]*Connection: close[^]*\{"status":"OK","received":\[\]\}/);
    assert.deepEqual(await once(started.child, 'exit'), [0, null]);
  });
}

test('a port in use is named in one line, and the exit code is 1', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const { child, output, errors } = start(t, { PORT: String(port) });
  const [code] = await once(child, 'close');
  assert.equal(code, 1);
  assert.equal(output(), '');
  assert.match(errors(), new RegExp(`^PORT=${port}: is taken on 127.0.0.1.*\n$`));
});

test('several bad variables are named together, a line each, without a stack', async (t) => {
  const { child, output, errors } = start(t, { PORT: 'eighty', CORS_ORIGINS: 'example.com', LOG: 'loud' });
  const [code] = await once(child, 'close');
  assert.equal(code, 1);
  assert.equal(output(), '');
  assert.deepEqual(errors().trimEnd().split('\n').map((line) => line.split('=')[0]).sort(), ['CORS_ORIGINS', 'LOG', 'PORT']);
});
