import { once } from 'node:events';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

test('serves requests that arrived while the event loop was blocked', async (t) => {
  class Value extends RequestHandler {
    override doGet() {
      return 'value';
    }
  }
  const { port, server } = await listen(t, { '/': Value }, { requestTimeout: 1 });
  server.keepAliveTimeout = 1_000;
  const connections: Connection[] = [];
  for (let count = 0; count < 5; count++) {
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('GET /'));
    await connection.until('"value"');
    connections.push(connection);
  }
  for (const connection of connections) {
    connection.received = '';
    connection.send(requestBytes('GET /', ['Connection: close']));
  }
  for (let count = 0; count < 5; count++) {
    const accepted = once(server, 'connection');
    const connection = await Connection.open(t, port);
    await accepted;
    connection.send(requestBytes('GET /'));
    connections.push(connection);
  }
  // The requests are in the kernel's buffers before the server reads again.
  const end = performance.now() + 2_500;
  while (performance.now() < end);
  for (const connection of connections) expectResponses(await connection.untilClosed(), [200]);
});
