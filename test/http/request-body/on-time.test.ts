import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { announced, Connection, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

const SIZE = 500_000;
const BODY = 'a'.repeat(SIZE);
const work = new EventEmitter();

class Late extends RequestHandler {
  override async doPost() {
    await once(work, 'done');
    return (await this.readBody()).length;
  }
  override async doPut() {
    const stream = this.endHeaders();
    stream.write('begun ');
    await once(work, 'done');
    stream.write(String((await this.readBody()).length));
  }
  override logError(error: unknown) {
    assert.fail(error as Error);
  }
}

const methods = [['POST', 'a value'], ['PUT', 'a stream']] as const;
for (const [method, what] of methods) {
  for (const expect of ['', ', 100-continue']) {
    if (expect && method === 'PUT') continue;
    test(`does not respond 408 if the body arrived before its read: ${what}${expect}`, async (t) => {
      const { port, server } = await listen(t, { '/': Late }, { requestTimeout: 0.2 });
      const connection = await Connection.open(t, port);
      const headers = ['Connection: close', ...(expect ? ['Expect: 100-continue'] : [])];
      const arrived = once(server, expect ? 'checkContinue' : 'request');
      connection.send(announced(`${method} /`, SIZE, headers) + (expect ? '' : BODY));
      await arrived;
      // Each waits for a timeout of its own.
      for (let times = 0; times < 4; times++) await sendRaw(t, port, 'GET');
      work.emit('done');
      if (expect) {
        await connection.until('100 Continue');
        connection.send(BODY);
      }
      const responses = expectResponses(await connection.untilClosed(), expect ? [100, 200] : [200]);
      assert.match(responses.at(-1)!.body!, /\b500000$/);
    });
  }
}

test('delivers the 413 to a client that sends slowly for seconds', async (t) => {
  class Small extends RequestHandler {
    override doPatch() {
      return this.readBody();
    }
  }
  const { port } = await listen(t, { '/': Small }, { bodyLimit: 1_000, requestTimeout: 5 });
  const connection = await Connection.open(t, port);
  const errors: unknown[] = [];
  connection.socket.on('error', (error) => errors.push(error));
  connection.socket.pause();
  connection.send(announced('PATCH /', 3_000_000));
  for (let sent = 0; sent < 30; sent++) {
    connection.send(BODY.slice(0, 100_000));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  connection.socket.resume();
  assert.match(await connection.untilClosed(), /^HTTP\/1\.1 413 [^]*\}$/);
  assert.deepEqual(errors, []);
});
