import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses, parseResponses } from '../support/response.ts';
import { within } from '../support/within.ts';

class Unread extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return 'unread';
  }
}

/** Sends a body that does not match its Content-Length. */
class Length extends RequestHandler {
  override doGet() {
    this.sendHeader('Content-Length', this.param('stated'));
    const body = this.endHeaders();
    for (const part of this.query.getAll('part')) body.write(part);
  }
  override async doPost() {
    this.sendHeader('Content-Length', this.param('stated'));
    const body = this.endHeaders();
    for (const part of this.query.getAll('part')) {
      await new Promise(setImmediate);
      body.write(part);
    }
  }
  override logError() {}
}

for (const method of ['GET', 'POST']) {
  for (const [what, path] of [
    ['too long', '/5?part=1234&part=5678'],
    ['too long at once', '/5?part=12345678'],
    ['too short', '/10?part=1234'],
    ['empty', '/10'],
  ]) {
    test(`aborts a response that does not match its Content-Length: ${method}, ${what}`, async (t) => {
      const { port } = await listen(t, { '/': Unread, '/:stated': Length });
      const bytes = requestBytes(`${method} ${path}`) + requestBytes('GET /').repeat(2);
      const received = await within('the server to close', sendRaw(t, port, bytes));
      assert.equal(received.match(/HTTP\/1\.1 /g)?.length ?? 0, received === '' ? 0 : 1, received);
      const stated = Number(path!.slice(1).split('?')[0]);
      const body = received.split('\r\n\r\n').slice(1).join('\r\n\r\n');
      assert.ok('12345678'.slice(0, stated).startsWith(body), `The body is ${JSON.stringify(body)}`);
    });
  }

  test(`streams a body with Content-Length unchunked and keeps the connection: ${method}`, async (t) => {
    const { port } = await listen(t, { '/': Unread, '/:stated': Length });
    const bytes = requestBytes(`${method} /8?part=1234&part=5678`) + requestBytes('GET /', ['Connection: close']);
    const [answer] = expectResponses(await sendRaw(t, port, bytes), [200, 200]);
    assert.equal(answer!.headers.get('transfer-encoding'), null);
    assert.equal(answer!.body, '12345678');
  });
}

test('allows Content-Length in response to HEAD and keeps the connection', async (t) => {
  const { port } = await listen(t, { '/': Unread, '/:stated': Length });
  const received = await sendRaw(
    t,
    port,
    requestBytes('HEAD /8?part=1234') + requestBytes('GET /', ['Connection: close']),
  );
  const [head] = parseResponses(received);
  expectResponses(received, [200, 200]);
  assert.equal(head!.headers.get('content-length'), '8');
});
