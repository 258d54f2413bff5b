import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer, RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { ServerProcess } from '../support/server-process.ts';
import { eventually } from '../support/within.ts';

const overrides = {
  logRequest: async () => {
    throw new Error('logRequest failed');
  },
  sendCorsHeaders: async () => {
    throw new Error('sendCorsHeaders failed');
  },
  endHeaders: async function endHeaders(this: RequestHandler) {
    RequestHandler.prototype.endHeaders.call(this);
    throw new Error('endHeaders failed');
  },
  sendJson: async () => {
    await null;
    throw new Error('sendJson failed');
  },
};
for (const [name, override] of Object.entries(overrides)) {
  test(`logs the rejection of an async ${name}()`, async (t) => {
    const logged: string[] = [];
    class Fails extends RequestHandler {
      override doGet() {
        return 'value';
      }
      override logError(error: unknown) {
        logged.push((error as Error).message);
      }
    }
    Object.assign(Fails.prototype, { [name]: override });
    const { port } = await listen(t, { '/': Fails });
    assert.match(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), /^HTTP\/1\.1 [25]00 /);
    await eventually('the error was logged', () => logged.includes(`${name} failed`));
  });
}

test('does not construct a class at startup', () => {
  let constructed = 0;
  class Fields extends RequestHandler {
    rejected = Promise.reject(new Error('a field rejected'));
    count = ++constructed;
    override doGet() {}
  }
  createServer({ '/': Fields }, { baseHandler: Fields });
  assert.equal(constructed, 0);
});

test('writes both errors if an async logError() rejects, and keeps running', async (t) => {
  const server = new ServerProcess(t, { log: 'text' });
  const { errors } = await server.written({ log: 'json' }, async (port) => {
    for (let times = 0; times < 2; times++) {
      assert.match(await sendRaw(t, port, requestBytes('GET /fails-to-log-later', ['Connection: close'])), / 500 /);
    }
  });
  for (const text of [/Error: an error/g, /The log is gone/g]) assert.equal(errors.match(text)?.length, 2, errors);
});
