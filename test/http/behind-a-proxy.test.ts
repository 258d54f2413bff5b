import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerProcess } from './server-process.ts';

/** A server that prints nothing would let the tests wait for ever. */
const LIMIT = { timeout: 30_000 };

test('the JSON line has X-Forwarded-For as it came, beside the address of the peer', LIMIT, async (t) => {
  const server = new ServerProcess(t, { log: 'json' });
  const url = `http://127.0.0.1:${await server.port()}`;
  await fetch(`${url}/proxied`, { headers: { 'x-forwarded-for': '192.0.2.1, <anything>' } });
  await fetch(`${url}/direct`);
  const [proxied] = await server.printed(/^.*"target":"\/proxied".*$/m);
  const [direct] = await server.printed(/^.*"target":"\/direct".*$/m);
  assert.equal(JSON.parse(proxied).address, '127.0.0.1');
  assert.equal(JSON.parse(proxied).forwardedFor, '192.0.2.1, <anything>');
  assert.ok(!('forwardedFor' in JSON.parse(direct)));
});
