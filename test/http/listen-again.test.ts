import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { requestBytes, sendRaw } from './connection.ts';
import { within } from '../waiting.ts';

const LIMIT = { timeout: 20_000 };

class Never extends RequestHandler {
  override doGet() {
    return new Promise(() => {});
  }
}

test(
  'a server that was closed and listens again still gives up on what takes too long, the method as the head',
  LIMIT,
  async (t) => {
    const { server, port } = await listen(t, { '/': Never }, { handlerTimeout: 0.1, requestTimeout: 0.2 });
    soundAnswers(await within('503 before the close', sendRaw(t, port, requestBytes('GET /'))), [503]);
    for (let times = 0; times < 2; times++) {
      server.close();
      await once(server, 'close');
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port: next } = server.address() as AddressInfo;
      soundAnswers(await within('503 after the close', sendRaw(t, next, requestBytes('GET /'))), [503]);
      soundAnswers(await within('408 after the close', sendRaw(t, next, 'GET / HTTP/1.1\r\n')), [408]);
    }
  },
);
