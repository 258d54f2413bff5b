import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { within } from '../support/within.ts';

const calls: Record<string, (handler: RequestHandler) => unknown> = {
  'sendJson()': (handler) => handler.sendJson({ late: true }),
  'sendResponse()': (handler) => handler.sendResponse(201),
  'sendHeader()': (handler) => handler.sendHeader('X-Late', 'yes'),
  'endHeaders()': (handler) => handler.endHeaders().end('late'),
};
for (const [name, call] of Object.entries(calls)) {
  test(`logs a ${name} in a callback that is called after the method has returned`, async (t) => {
    const events = new EventEmitter();
    class Callback extends RequestHandler {
      override doGet() {
        // An error thrown here would be an uncaught exception.
        setTimeout(() => call(this), 1);
      }
      override logError(error: unknown) {
        events.emit('logged', error);
      }
    }
    const { port } = await listen(t, { '/': Callback });
    const logged = once(events, 'logged');
    expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [204]);
    const [error] = await within('the call was logged', logged);
    assert.match(String(error), /The response had ended before this .* return a promise that settles after this$/);
    assert.ok(String(error).includes(name));
  });

  test(`does not log a ${name} after the client has disconnected`, async (t) => {
    const events = new EventEmitter();
    class Listens extends RequestHandler {
      override async doGet() {
        this.endHeaders().write('begun');
        await once(this.signal, 'abort');
        setImmediate(() => events.emit('called', call(this)));
      }
      override logError(error: unknown) {
        events.emit('error', error);
      }
    }
    const { port } = await listen(t, { '/': Listens });
    const called = once(events, 'called');
    const client = await Connection.open(t, port);
    client.send(requestBytes('GET /'));
    await client.until('begun');
    client.socket.destroy();
    await within('the call was made', called);
  });
}

for (const [name, write] of [
  ['write()', (body: NodeJS.WritableStream) => body.write('late')],
  ['end()', (body: NodeJS.WritableStream) => body.end('late')],
] as const) {
  test(`logs the first ${name} of the body after the method has returned`, async (t) => {
    const events = new EventEmitter();
    const errors: unknown[] = [];
    class Callback extends RequestHandler {
      override doGet() {
        const body = this.endHeaders();
        body.on('close', () => {
          write(body);
          write(body);
          setImmediate(() => events.emit('written'));
        });
      }
      override logError(error: unknown) {
        errors.push(error);
      }
    }
    const { port } = await listen(t, { '/': Callback });
    const written = once(events, 'written');
    expectResponses(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
    await within('the body was written', written);
    assert.equal(errors.length, 1);
    assert.match(String(errors[0]), /^Error: The response had ended before this write: .* return a promise that/);
  });
}

test('stops a method that goes on after it has sent the whole response', async (t) => {
  const events = new EventEmitter();
  let deleted = 0;
  class ForgotReturn extends RequestHandler {
    override async doDelete() {
      this.sendResponse(202);
      this.sendJson({ confirm: 'first' });
      await once(events, 'logged');
      await new Promise(setImmediate);
      this.sendHeader('X-Deleted', 'yes');
      deleted++;
    }
    override logRequest() {
      events.emit('logged');
    }
    override logError(error: unknown) {
      events.emit('error logged', error);
    }
  }
  const { port } = await listen(t, { '/': ForgotReturn });
  const logged = once(events, 'error logged');
  expectResponses(await sendRaw(t, port, requestBytes('DELETE /', ['Connection: close'])), [202]);
  assert.match(String((await within('the error was logged', logged))[0]), /X-Deleted comes too late/);
  assert.equal(deleted, 0);
});
