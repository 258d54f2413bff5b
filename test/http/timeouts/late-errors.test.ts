import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { eventually, within } from '../support/within.ts';

const late: Record<string, [make: (signal: AbortSignal) => unknown, isLogged: boolean]> = {
  'an error of its own': [() => new Error('a bug'), true],
  'the reason of the signal': [({ reason }) => reason, false],
  'an error caused by the signal': [({ reason }) => new Error('stopped', { cause: reason }), false],
  'an error with another cause': [() => new Error('a bug', { cause: new Error('its cause') }), true],
  'an HttpError': [() => new HttpError(409), true],
  null: [() => null, true],
};
for (const when of ['the 503', 'the client disconnected']) {
  for (const [what, [make, isLogged]] of Object.entries(late)) {
    test(`${isLogged ? 'logs' : 'does not log'} ${what}, thrown after ${when}`, async (t) => {
      const events = new EventEmitter();
      const logged: unknown[] = [];
      let thrown: unknown = 'nothing yet';
      class Late extends RequestHandler {
        override async doGet() {
          events.emit('called');
          await new Promise((resolve) => this.signal.addEventListener('abort', resolve));
          throw (thrown = make(this.signal));
        }
        override logError(error: unknown) {
          logged.push(error);
        }
      }
      const { port } = await listen(t, { '/': Late }, { handlerTimeout: when === 'the 503' ? 0.1 : 30 });
      const connection = await Connection.open(t, port);
      const called = once(events, 'called');
      connection.send(requestBytes('GET /'));
      await called;
      if (when === 'the 503') await connection.untilClosed();
      else connection.socket.destroy();
      await eventually('the method threw', () => thrown !== 'nothing yet');
      await new Promise(setImmediate);
      assert.deepEqual(logged, isLogged ? [thrown] : []);
    });
  }
}

test('logs nothing if a method responds after its 503', async (t) => {
  const events = new EventEmitter();
  const logged: unknown[] = [];
  class Slow extends RequestHandler {
    override async doGet() {
      await once(events, 'late');
      this.sendResponse(201);
      this.sendHeader('Location', '/a');
      this.sendJson('late');
      events.emit('done');
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Slow }, { handlerTimeout: 0.1 });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('GET /'));
  assert.match(await connection.untilClosed(), / 503 /);
  const done = once(events, 'done');
  events.emit('late');
  await within('the method ended', done);
  assert.deepEqual(logged, []);
});
