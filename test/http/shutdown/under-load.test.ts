import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { Connection, JSON_TYPE, requestBytes } from '../support/connection.ts';
import { assertValidResponse, expectResponses, firstResponse } from '../support/response.ts';
import { ServerProcess } from '../support/server-process.ts';
import { within } from '../support/within.ts';

const STOPS = 2;
const CLIENTS = 24;
/** Number of responses per client before shutdown starts. */
const WARM = 10;

const load = [
  requestBytes('GET /'),
  requestBytes('GET /late'),
  requestBytes('POST /', [JSON_TYPE, 'Content-Length: 2'], '[]'),
  requestBytes('GET /none'),
  requestBytes('OPTIONS /', ['Origin: https://app.example.com', 'Access-Control-Request-Method: POST']),
  requestBytes('POST /', [JSON_TYPE, 'Content-Length: 1'], '['),
];

/** A client that sends requests on a keep-alive connection and reconnects when it closes. */
class Client {
  #responses = 0;
  #isWarm: (() => void) | undefined;
  readonly warm = new Promise<void>((resolve) => (this.#isWarm = resolve));
  /** Incomplete responses on connections that had worked before. */
  readonly lost: string[] = [];

  async run(t: TestContext, port: number, request: string): Promise<void> {
    for (;;) {
      const connection = await Connection.open(t, port).catch(() => undefined);
      if (!connection) return;
      for (let isFirst = true; !connection.socket.readableEnded && !connection.socket.destroyed; isFirst = false) {
        connection.received = '';
        connection.send(request);
        const response = await firstResponse(connection);
        if (!response) {
          // The first request on a connection may fail if the listener closed first.
          if (!isFirst) this.lost.push(JSON.stringify(connection.received));
          break;
        }
        if (++this.#responses === WARM) this.#isWarm!();
        assertValidResponse(response);
        if (response.headers.get('connection') === 'close') await connection.closed;
        // Process pending socket events before sending the next request.
        await new Promise(setImmediate);
      }
      connection.socket.destroy();
    }
  }
}

// With more than two at a time, the processes wait for each other.
describe('a server under load', { concurrency: 2 }, () => {
  for (let stop = 1; stop <= STOPS; stop++) {
    test(`loses no request of ${CLIENTS} clients on SIGTERM: run ${stop} of ${STOPS}`, async (t) => {
      const server = new ServerProcess(t);
      const port = await server.port();

      const silent = await Connection.open(t, port);
      const halfHead = await Connection.open(t, port);
      halfHead.send('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ');
      const slow = await Connection.open(t, port);
      slow.send(requestBytes('GET /slow'));
      const upload = await Connection.open(t, port);
      upload.send(requestBytes('POST /release', [JSON_TYPE, 'Content-Length: 9', 'Expect: 100-continue']));
      await upload.until('100 Continue');
      upload.send('"half');

      const clients = Array.from({ length: CLIENTS }, () => new Client());
      const runs = Promise.all(clients.map((client, index) => client.run(t, port, load[index % load.length]!)));
      await within(`each client had ${WARM} responses`, Promise.all(clients.map(({ warm }) => warm)));
      server.child.kill('SIGTERM');
      await within('the clients found the listener closed', runs);

      // These two connections close after the idle grace period, while other requests are still in flight.
      assert.equal(await silent.untilClosed(), '');
      assert.equal(await halfHead.untilClosed(), '');
      upload.send('way"');
      const [, uploaded] = expectResponses(await upload.untilClosed(), [100, 200]);
      const [late] = expectResponses(await slow.untilClosed(), [200]);
      for (const response of [uploaded, late]) {
        assert.equal(response!.headers.get('connection'), 'close');
      }
      assert.equal(await server.ended(), 0);
      assert.deepEqual(clients.flatMap(({ lost }) => lost), []);
    });
  }
});
