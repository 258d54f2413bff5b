import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpError, RequestHandler, type AccessLogEntry } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses, parseResponses } from '../support/response.ts';
import { eventually } from '../support/within.ts';

const GET = requestBytes('GET /', ['Connection: close']);

test('responds 500 without details to any thrown value, and logs it', async (t) => {
  const logged: unknown[] = [];
  const thrown: unknown[] = [
    new Error('secret'), 'secret', undefined, null, Symbol('secret'), Object.create(null),
    { status: 404, message: 'secret' }, () => 'secret',
  ];
  let next: unknown;
  class Throws extends RequestHandler {
    override doGet() {
      throw next;
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Throws });
  for (next of thrown) {
    const received = await sendRaw(t, port, GET);
    expectResponses(received, [500]);
    assert.doesNotMatch(received, /secret/);
  }
  assert.deepEqual(logged, thrown);
});

test('gives the signal the error as its reason, also while the response is sent', async (t) => {
  const error = new HttpError(409);
  const reasons: unknown[] = [];
  class ReadsSignal extends RequestHandler {
    override doGet() {
      throw error;
    }
    override endHeaders() {
      reasons.push(this.signal.reason);
      return super.endHeaders();
    }
  }
  const { port } = await listen(t, { '/': ReadsSignal });
  expectResponses(await sendRaw(t, port, GET), [409]);
  assert.deepEqual(reasons, [error]);
});

test('responds 500 for an HttpError that cannot be serialized or sent', async (t) => {
  const errors = [
    new HttpError(409, 'x', { 'X-Name': 'a\r\nb' }),
    new HttpError(409, 'x', { 'a b': 'c' }),
    new HttpError(422, 'x', {}, { errors: 1n }),
  ];
  let next: unknown;
  class Throws extends RequestHandler {
    override doGet() {
      throw next;
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Throws });
  for (next of errors) expectResponses(await sendRaw(t, port, GET), [500]);
});

test('sends a detail for a status that has no name', async (t) => {
  class Unnamed extends RequestHandler {
    override doGet() {
      throw new HttpError(599);
    }
  }
  const { port } = await listen(t, { '/': Unnamed });
  const [response] = parseResponses(await sendRaw(t, port, GET));
  assert.equal(response!.status, 599);
  assert.match(JSON.parse(response!.body!).detail, /\w/);
});

class Unread extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return 'unread';
  }
}

test('sends nothing for an HttpError that is thrown after a complete response', async (t) => {
  const outcomes: unknown[] = [];
  class Late extends RequestHandler {
    override async doGet() {
      this.sendJson('whole');
      await new Promise(setImmediate);
      throw new HttpError(404, 'too late');
    }
    override logError() {}
    override logRequest(line: AccessLogEntry) {
      outcomes.push(line.outcome);
    }
  }
  const { port } = await listen(t, { '/': Late, '/next': Unread });
  const received = await sendRaw(t, port, requestBytes('GET /') + requestBytes('GET /next', ['Connection: close']));
  const [first] = expectResponses(received, [200, 200]);
  assert.equal(first!.body, '"whole"');
  assert.deepEqual(outcomes, [undefined]);
});

test('sends an HttpError whose headers are null', async (t) => {
  class Throws extends RequestHandler {
    override doGet() {
      throw new HttpError(409, 'x', null as unknown as Record<string, string>);
    }
  }
  const { port } = await listen(t, { '/': Throws });
  expectResponses(await sendRaw(t, port, GET), [409]);
});

test('logs the error of an endHeaders() that writes to a response that is complete', async (t) => {
  const logged: unknown[] = [];
  class Writes extends RequestHandler {
    override doGet() {
      return 'OK';
    }
    override endHeaders() {
      const body = super.endHeaders();
      body.write('more');
      return body;
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Writes });
  expectResponses(await sendRaw(t, port, GET), [200]);
  await eventually('the error was logged', () => logged.length > 0);
  assert.match(String(logged), /write after end/);
});

test('closes the connection if another listener of the server has begun the response', async (t) => {
  const logged: unknown[] = [];
  class Value extends RequestHandler {
    override async doGet() {
      return 'value';
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { server, port } = await listen(t, { '/': Value });
  server.prependListener('request', (_request, response) => response.write('begun'));
  await sendRaw(t, port, requestBytes('GET /'));
  assert.match(String(logged[0]), /ERR_HTTP_HEADERS_SENT|headers/);
});
