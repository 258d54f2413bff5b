import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes } from '../support/connection.ts';
import { listen } from '../support/listen.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const REQUESTS = {
  'a GET': requestBytes('GET /'),
  'a POST': requestBytes('POST /', ['Content-Type: application/json', 'Content-Length: 2'], '{}'),
  'a stream': requestBytes('PUT /'),
  'an unsupported method': requestBytes('PATCH /'),
};
const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
const skip = (major < 22 ? minor < 16 : major === 22 && minor < 4) && 'this version of Node itself keeps the request';
for (const [name, bytes] of Object.entries(REQUESTS)) {
  test(`releases the last request of an idle connection: ${name}`, { skip }, async (t) => {
    const requests: WeakRef<object>[] = [];
    class Remembered extends RequestHandler {
      override doGet() {
        return 'done';
      }
      override async doPost() {
        await this.readJson();
        return 'done';
      }
      override doPut() {
        this.endHeaders().end('done');
      }
      override logRequest() {
        requests.push(new WeakRef(this.request));
      }
    }
    const { port } = await listen(t, { '/': Remembered });
    const connection = await Connection.open(t, port);
    connection.send(bytes);
    await connection.until(/done|"detail"/);
    assert.equal(requests.length, 1);
    await collectUntilFreed(requests[0]!);
    assert.ok(!requests[0]!.deref(), 'the request is still referenced');
    assert.ok(!connection.socket.closed);
  });
}

/** Collects garbage, several times because objects finalized in one collection are freed in a later one. */
async function collectUntilFreed(reference: WeakRef<object>): Promise<void> {
  for (let round = 0; round < 10 && reference.deref(); round++) {
    await new Promise(setImmediate);
    collectGarbage();
  }
}
