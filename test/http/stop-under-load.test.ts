import assert from 'node:assert/strict';
import { type TestContext, describe, test } from 'node:test';
import { assertSound, soundAnswers, wholeAnswer } from './answers.ts';
import { Connection, requestBytes } from './connection.ts';
import { ServerProcess } from './server-process.ts';
import { within } from '../waiting.ts';

const STOPS = 2;
const CLIENTS = 24;
/** How often each client has been answered before the stop begins. */
const WARM = 10;

const JSON_TYPE = 'Content-Type: application/json';

const load = [
  requestBytes('GET /'),
  requestBytes('GET /late'),
  requestBytes('POST /', [JSON_TYPE, 'Content-Length: 2'], '[]'),
  requestBytes('GET /none'),
  requestBytes('OPTIONS /', ['Origin: https://app.example.com', 'Access-Control-Request-Method: POST']),
  requestBytes('POST /', [JSON_TYPE, 'Content-Length: 1'], '['),
];

/** A client that asks again and again on one connection, and opens the next when the server closes it. */
class Client {
  #answered = 0;
  #isWarm: (() => void) | undefined;
  readonly warm = new Promise<void>((resolve) => (this.#isWarm = resolve));
  /** What came instead of a whole answer on a connection that had served before. */
  readonly lost: string[] = [];

  async run(t: TestContext, port: number, request: string): Promise<void> {
    for (;;) {
      const connection = await Connection.open(t, port).catch(() => undefined);
      if (!connection) return;
      for (let isFirst = true; !connection.socket.readableEnded && !connection.socket.destroyed; isFirst = false) {
        connection.received = '';
        connection.send(request);
        const answer = await wholeAnswer(connection);
        if (!answer) {
          // A first request may have found the listener closed before the server knew of the connection.
          if (!isFirst) this.lost.push(JSON.stringify(connection.received));
          break;
        }
        if (++this.#answered === WARM) this.#isWarm!();
        assertSound(answer);
        if (answer.headers.get('connection') === 'close') await connection.closed;
        // What has come about the connection by now is known before the next request leaves.
        await new Promise(setImmediate);
      }
      connection.socket.destroy();
    }
  }
}

// Two at a time: more would only wait for each other.
describe('a server under load', { concurrency: 2 }, () => {
  for (let stop = 1; stop <= STOPS; stop++) {
    test(
      `SIGTERM under the load of ${CLIENTS} clients loses no request, and exits with 0: stop ${stop} of ${STOPS}`,
      async (t) => {
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
        await within(`each client was answered ${WARM} times`, Promise.all(clients.map(({ warm }) => warm)));
        server.child.kill('SIGTERM');
        await within('the clients found the listener closed', runs);

        // These two close when the grace for idle connections is over; what is in hand is still in hand then.
        assert.equal(await silent.untilClosed(), '');
        assert.equal(await halfHead.untilClosed(), '');
        upload.send('way"');
        const [, uploaded] = soundAnswers(await upload.untilClosed(), [100, 200]);
        const [late] = soundAnswers(await slow.untilClosed(), [200]);
        for (const answer of [uploaded, late]) {
          assert.equal(answer!.headers.get('connection'), 'close');
        }
        assert.equal(await server.ended(), 0);
        assert.deepEqual(clients.flatMap(({ lost }) => lost), []);
      },
    );
  }
});
