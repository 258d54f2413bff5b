import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';

const STEP_LIMIT_MS = 20_000;

const readme = readFileSync('scripts/deploy/README.md', 'utf8');
const code = /^```ts\n\/\/ src\/https\.ts\n([^]*?)^```$/m.exec(readme)![1]!;
const command = /^\$ (openssl (?:.*\\\n)*.*)$/m.exec(readme)![1]!;

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    return false;
  }
}
const skip = process.env['CI'] !== 'true' && !hasOpenssl() && 'openssl is missing: apt-get install openssl';

/** Starts the program that the README adds, in a copy, on a free port. */
async function start(t: TestContext): Promise<{ port: number; ca: Buffer }> {
  const folder = mkdtempSync(join(tmpdir(), 'https-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['src', 'package.json']) cpSync(name, join(folder, name), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
  execFileSync('sh', ['-c', command], { cwd: folder, stdio: 'ignore' });
  assert.match(code, /8443/);
  const printPort = "secure.once('listening', () => console.log('port', (secure.address() as { port: number }).port));";
  writeFileSync(join(folder, 'src/https.ts'), `${code.replace('8443', '0')}\n${printPort}\n`);
  const server = spawn(process.execPath, [...process.execArgv, 'src/https.ts'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], LOG: 'off' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => server.kill('SIGKILL'));
  const limit = { signal: AbortSignal.timeout(STEP_LIMIT_MS) };
  const [printed] = await Promise.race([once(server.stdout, 'data', limit), once(server, 'exit', limit)]);
  const port = Number(/^port (\d+)$/m.exec(String(printed))?.[1]);
  assert.ok(port > 0, String(printed));
  return { port, ca: readFileSync(join(folder, 'certificate.pem')) };
}

test("serves a page's requests over HTTPS with the lines of the README", { skip }, async (t) => {
  const { port, ca } = await start(t);
  const headers = { origin: `https://localhost:${port}`, 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(STEP_LIMIT_MS);
  const options = { port, ca, host: '127.0.0.1', servername: 'localhost', signal };
  for (const [body, status] of [['{"a":1}', 200], [JSON.stringify('a'.repeat(2_000_000)), 413]] as const) {
    const sent = request({ ...options, method: 'POST', headers: { ...headers, host: `localhost:${port}` } }).end(body);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    assert.equal(response.statusCode, status);
    assert.equal(response.headers['access-control-allow-origin'], '*');
    if (status === 200) assert.deepEqual(JSON.parse(await text(response)), { status: 'OK', received: { a: 1 } });
    else response.resume();
  }
});
