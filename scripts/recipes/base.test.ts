import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type AccessLogEntry, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../../test/listen.ts';
import { ApiHandler } from './base.ts';

const LIMIT = { timeout: 20_000 };
const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

class GreetingHandler extends ApiHandler {
  override doGet() {
    return 'Hello';
  }
}

test('keeps the request ID of a proxy if it is a short token', LIMIT, async (t) => {
  const { url } = await listen(t, { '/': GreetingHandler });
  const idFor = async (sent: string) =>
    (await fetch(url, { headers: { 'x-request-id': sent } })).headers.get('x-request-id') ?? '';
  for (const id of ['a', '00-4bf92f:1.b_c', 'a'.repeat(64)]) assert.equal(await idFor(id), id);
  for (const id of ['', 'a b', 'a, b', '<a>', 'a'.repeat(65)]) assert.match(await idFor(id), UUID);
});

test('sends request ID and security headers with errors and unknown paths', LIMIT, async (t) => {
  const { url } = await listen(t, { '/': GreetingHandler }, { baseHandler: ApiHandler });
  const responses = [await fetch(url), await fetch(url, { method: 'PUT' }), await fetch(`${url}/nowhere`)];
  assert.deepEqual(responses.map(({ status }) => status), [200, 405, 404]);
  for (const { headers } of responses) {
    assert.match(headers.get('x-request-id') ?? '', UUID);
    assert.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'");
  }
});

test('adds the request ID to the access log entry and to errors', LIMIT, async (t) => {
  const entries: AccessLogEntry[] = [];
  const errors: unknown[] = [];
  const { logRequest, logError } = RequestHandler.prototype;
  t.after(() => Object.assign(RequestHandler.prototype, { logRequest, logError }));
  RequestHandler.prototype.logRequest = (entry) => void entries.push(entry);
  RequestHandler.prototype.logError = (error) => void errors.push(error);
  class FailingHandler extends ApiHandler {
    override doGet() {
      throw new TypeError('a bug');
    }
  }
  const { server, url } = await listen(t, { '/': FailingHandler });
  await fetch(url, { headers: { 'x-request-id': 'one', connection: 'close' } });
  await once(server.close(), 'close');
  assert.deepEqual(entries.map(({ status, requestId }) => [status, requestId]), [[500, 'one']]);
  const [error] = errors as [Error];
  assert.match(error.message, /\bone\b/);
  assert.equal((error.cause as Error).message, 'a bug');
});
