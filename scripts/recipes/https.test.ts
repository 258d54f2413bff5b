import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { RequestHandler, createServer, shutdown } from '../../src/http/index.ts';
import { overTls } from './https.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const options = { timeout: 20_000, skip: !hasOpenssl && 'openssl, which makes the certificate, is not installed' };

function selfSigned(t: TestContext): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', ['req', ...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'pipe' });
  return { key: readFileSync(key), cert: readFileSync(cert) };
}

test('serves over HTTPS with CORS headers, until a graceful shutdown completes', options, async (t) => {
  const calls = new EventEmitter();
  class SlowHandler extends RequestHandler {
    override async doGet() {
      await new Promise<void>((resolve) => calls.emit('doGet', resolve));
      return { isStopping: this.shutdownSignal.aborted };
    }
  }
  const certificate = selfSigned(t);
  const server = createServer({ '/': SlowHandler });
  const tlsServer = overTls(server, certificate).listen(0, '127.0.0.1');
  t.after(() => tlsServer.close());
  await once(tlsServer, 'listening');
  const { port } = tlsServer.address() as AddressInfo;
  const headers = { origin: 'https://app.example.com' };
  const called = once(calls, 'doGet') as Promise<[() => void]>;
  const request = get({ host: '127.0.0.1', port, headers, ca: certificate.cert, agent: false });
  const responded = once(request, 'response') as Promise<[IncomingMessage]>;
  const [respond] = await called;

  const closed = once(tlsServer, 'close');
  const stopped = shutdown(server);
  respond();
  const [response] = await responded;
  assert.equal(response.headers['access-control-allow-origin'], '*');
  assert.deepEqual(JSON.parse(await text(response)), { isStopping: true });
  assert.equal(await stopped, true);
  await closed;
});

test('closes a connection that does not complete its TLS handshake in time', options, async (t) => {
  const tlsServer = overTls(createServer({}), { ...selfSigned(t), handshakeTimeout: 50 }).listen(0, '127.0.0.1');
  t.after(() => tlsServer.close());
  await once(tlsServer, 'listening');
  const client = connect((tlsServer.address() as AddressInfo).port, '127.0.0.1').resume();
  t.after(() => client.destroy());
  await once(client, 'close');
});

test('has the address of the TLS server, and reports its errors', options, async (t) => {
  const server = createServer({});
  const tlsServer = overTls(server, selfSigned(t)).listen(0, '127.0.0.1');
  t.after(() => tlsServer.close());
  await once(tlsServer, 'listening');
  assert.deepEqual(server.address(), tlsServer.address());
  const failed = once(server, 'error');
  tlsServer.emit('error', new Error('The port is in use'));
  assert.match(String((await failed)[0]), /The port is in use/);
});
