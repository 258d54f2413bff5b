import assert from 'node:assert/strict';
import { once } from 'node:events';
import { METHODS, request as httpRequest } from 'node:http';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { routes } from '../support/echo-routes.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

test('maps every HTTP method to a camel-case handler method', async (t) => {
  class Everything extends RequestHandler {}
  const methods = METHODS.filter((method) => !['CONNECT', 'TRACE', 'HEAD', 'OPTIONS'].includes(method));
  for (const method of methods) {
    const name = `do${method.split('-').map((part) => part[0] + part.slice(1).toLowerCase()).join('')}`;
    Object.defineProperty(Everything.prototype, name, { value: () => ({ method }) });
  }
  const { port } = await listen(t, { '/': Everything });
  for (const method of methods) {
    const request = httpRequest({ port, host: '127.0.0.1', method }).end();
    const [response] = await once(request, 'response');
    assert.deepEqual(JSON.parse(Buffer.concat(await response.toArray()).toString()), { method });
  }
});

test('responds 405 with Allow to other methods, TRACE too, and keeps the connection', async (t) => {
  const { port } = await listen(t, routes);
  for (const method of ['DELETE', 'PUT', 'PROPFIND', 'M-SEARCH', 'TRACE']) {
    const bytes = requestBytes(`${method} /`) + requestBytes('GET /', ['Connection: close']);
    const responses = expectResponses(await sendRaw(t, port, bytes), [405, 200]);
    assert.equal(responses[0]!.headers.get('allow'), 'GET, HEAD, POST, OPTIONS');
  }
});
