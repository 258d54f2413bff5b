import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { listen } from '../../test/listen.ts';
import { loggedBy } from './logger.ts';

test('writes every response and error to the given logger and error tracker', { timeout: 20_000 }, async (t) => {
  const infos: object[] = [];
  const errors: object[] = [];
  const captured: unknown[] = [];
  const bug = new TypeError('a bug');
  const LoggedHandler = loggedBy(
    { info: (fields) => infos.push(fields), error: (fields) => errors.push(fields) },
    { captureException: (error) => captured.push(error) },
  );
  class FailingHandler extends LoggedHandler {
    override doGet() {
      throw bug;
    }
  }
  const { server, url } = await listen(t, { '/': FailingHandler }, { log: 'off', baseHandler: LoggedHandler });
  for (const path of ['/', '/nowhere']) await fetch(url + path, { headers: { connection: 'close' } });
  await once(server.close(), 'close');
  assert.deepEqual(infos.map((fields) => ({ ...fields, milliseconds: 0 })), [
    { method: 'GET', url: '/', status: 500, milliseconds: 0 },
    { method: 'GET', url: '/nowhere', status: 404, milliseconds: 0 },
  ]);
  assert.deepEqual(errors, [{ method: 'GET', url: '/', err: bug }]);
  assert.deepEqual(captured, [bug]);
});
