import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { announced, Connection, JSON_TYPE, requestBytes } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { within } from '../support/within.ts';

test('ends quietly and releases everything if the client aborts an upload', async (t) => {
  const lines: unknown[] = [];
  let disconnected: (reason: unknown) => void;
  const reason = new Promise((resolve) => (disconnected = resolve));
  class Upload extends RequestHandler {
    override async doPost() {
      this.signal.addEventListener('abort', () => lines.push('aborted'));
      await this.readJson().catch((error: unknown) => {
        disconnected(error);
        throw error;
      });
    }
    override logRequest() {
      lines.push('request');
    }
    override logError(error: unknown) {
      lines.push(error);
    }
  }
  const { port, server } = await listen(t, { '/': Upload });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 900000'], 'a'.repeat(100_000)));
  const [, response] = await once(server, 'request');
  connection.socket.resetAndDestroy();
  assert.ok((await reason) instanceof Error);
  if (!response.closed) await once(response, 'close');
  await new Promise(setImmediate);
  assert.equal(connection.received, '');
  assert.deepEqual(lines.sort(), ['aborted', 'request']);
  assert.equal(await new Promise((resolve) => server.getConnections((_, count) => resolve(count))), 0);
});

class Bytes extends RequestHandler {
  override async doPost() {
    const body = await this.readBody();
    return { isBuffer: Buffer.isBuffer(body), hex: body.toString('hex') };
  }
}

test('rejects readBody() if the client disconnects, and logs no error', async (t) => {
  const lines: unknown[] = [];
  let tell!: (error: unknown) => void;
  const told = new Promise((resolve) => (tell = resolve));
  let ended!: () => void;
  const end = new Promise<void>((resolve) => (ended = resolve));
  class Upload extends RequestHandler {
    override async doPost() {
      await this.readBody().catch((error: unknown) => {
        tell(error);
        throw error;
      });
    }
    override logRequest() {
      lines.push('request');
      ended();
    }
    override logError(error: unknown) {
      lines.push(error);
    }
  }
  const { port, server } = await listen(t, { '/': Upload });
  const connection = await Connection.open(t, port);
  connection.send(announced('POST /', 100) + 'half');
  await once(server, 'request');
  connection.socket.resetAndDestroy();
  assert.ok((await within('readBody() to reject', told)) instanceof Error);
  await within('the line of the log', end);
  assert.deepEqual(lines, ['request']);
});

test('responds 408 if the body stalls during readBody', async (t) => {
  const { port } = await listen(t, { '/': Bytes }, { requestTimeout: 0.2 });
  const connection = await Connection.open(t, port);
  connection.send(announced('POST /', 100) + 'half');
  expectResponses(await connection.until(/\}$/), [408]);
});
