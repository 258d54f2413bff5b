import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { within } from '../support/within.ts';

class Never extends RequestHandler {
  override doGet() {
    return new Promise(() => {});
  }
}

test('enforces handler and request timeouts after close() and listen()', async (t) => {
  const { server, port } = await listen(t, { '/': Never }, { handlerTimeout: 0.1, requestTimeout: 0.2 });
  expectResponses(await within('503 before the close', sendRaw(t, port, requestBytes('GET /'))), [503]);
  for (let times = 0; times < 2; times++) {
    server.close();
    await once(server, 'close');
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: next } = server.address() as AddressInfo;
    expectResponses(await within('503 after the close', sendRaw(t, next, requestBytes('GET /'))), [503]);
    expectResponses(await within('408 after the close', sendRaw(t, next, 'GET / HTTP/1.1\r\n')), [408]);
  }
});
