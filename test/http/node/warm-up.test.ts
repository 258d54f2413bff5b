import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { RequestHandler } from '../../../src/http/index.ts';
import { listen } from '../support/listen.ts';

setFlagsFromString('--expose-gc');
setFlagsFromString('--allow-natives-syntax');
const collect = runInNewContext('gc') as () => void;
const isDictionary = new Function('object', 'return !%HasFastProperties(object)') as (object: object) => boolean;

class StatusHandler extends RequestHandler {
  override doGet() {
    return { status: 'OK' };
  }
}

// This test needs its own file and thus its own process, because V8's decisions persist.
test('keeps requests in fast mode after a full garbage collection', async (t) => {
  const { server, url } = await listen(t, { '/': StatusHandler });
  const seen: object[] = [];
  server.on('request', (request: IncomingMessage, response: ServerResponse) => seen.splice(0, 2, request, response));
  const get = async () => assert.equal((await fetch(url, { headers: { Connection: 'close' } })).status, 200);
  for (let sent = 0; sent < 6; sent++) await get();
  seen.length = 0;
  await new Promise((resolve) => setTimeout(resolve, 100));
  collect();
  for (let sent = 0; sent < 20; sent++) await get();
  assert.deepEqual(seen.map(isDictionary), [false, false]);
});
