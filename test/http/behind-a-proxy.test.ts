import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection, requestBytes } from './connection.ts';
import { ServerProcess } from './server-process.ts';

/** A server that prints nothing would let the tests wait for ever. */
const LIMIT = { timeout: 30_000 };

test('the JSON line has X-Forwarded-For as it came, beside the address of the peer', LIMIT, async (t) => {
  const server = new ServerProcess(t, { LOG: 'json' });
  const url = `http://127.0.0.1:${await server.port()}`;
  await fetch(`${url}/proxied`, { headers: { 'x-forwarded-for': '192.0.2.1, <anything>' } });
  await fetch(`${url}/direct`);
  const [proxied] = await server.printed(/^.*"target":"\/proxied".*$/m);
  const [direct] = await server.printed(/^.*"target":"\/direct".*$/m);
  assert.equal(JSON.parse(proxied).address, '127.0.0.1');
  assert.equal(JSON.parse(proxied).forwardedFor, '192.0.2.1, <anything>');
  assert.ok(!('forwardedFor' in JSON.parse(direct)));
});

for (const [environment, seconds] of [[{}, 65], [{ KEEP_ALIVE_TIMEOUT: '1' }, 1]] as const) {
  test(`with ${JSON.stringify(environment)}, an idle connection is kept for ${seconds} s`, LIMIT, async (t) => {
    const server = new ServerProcess(t, { LOG: 'off', ...environment });
    const connection = await Connection.open(t, await server.port());
    connection.send(requestBytes('GET /'));
    // Node adds a second of its own from 24.6 on, and announces the time without it.
    assert.match(await connection.until('\r\n\r\n'), new RegExp(`\r\nKeep-Alive: timeout=${seconds}\r\n`, 'i'));
    if (seconds > 1) return;
    const idleSince = Date.now();
    await connection.untilClosed();
    assert.ok(Date.now() - idleSince > 900, `It closed after ${Date.now() - idleSince} ms`);
  });
}
