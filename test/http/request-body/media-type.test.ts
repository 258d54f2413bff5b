import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses, type RawResponse } from '../support/response.ts';

class Echo extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return this.readJson();
  }
  override doPut() {
    return 'put, unread';
  }
}

const routes = { '/': Echo };
const JSON_TYPE = 'Content-Type: application/json';

function post(body: string | Buffer, headers: readonly string[] = [JSON_TYPE]): Buffer {
  const head = requestBytes('POST /', [...headers, `Content-Length: ${Buffer.byteLength(body)}`]);
  return Buffer.concat([Buffer.from(head), Buffer.from(body)]);
}

/** Posts a body, then sends another request on the same connection to check that it is still usable. */
async function answerTo(port: number, status: number, request: Buffer): Promise<RawResponse> {
  const after: (() => void)[] = [];
  const bytes = Buffer.concat([request, Buffer.from(requestBytes('GET /', ['Connection: close']))]);
  const received = await sendRaw({ after: (free) => after.push(free as () => void) }, port, bytes);
  for (const free of after) free();
  const [answer, next] = expectResponses(received, [status, 200]);
  assert.equal(next!.body, '"got"');
  return answer!;
}

const refusedTypes: Record<string, string[]> = {
  'no media type': [],
  'an empty one': ['Content-Type:'],
  'text/plain': ['Content-Type: text/plain'],
  'text/plain that mentions JSON': ['Content-Type: text/plain; application/json'],
  'a form': ['Content-Type: application/x-www-form-urlencoded'],
  'a form with files': ['Content-Type: multipart/form-data; boundary=x'],
  'text/json': ['Content-Type: text/json'],
  'one that only begins like JSON': ['Content-Type: application/jsonp'],
  'one that only ends like JSON': ['Content-Type: application/x-json'],
  'a suffix alone': ['Content-Type: application/+json'],
  'another tree with the suffix': ['Content-Type: image/svg+json'],
  'any': ['Content-Type: */*'],
  'two lines of JSON': [JSON_TYPE, JSON_TYPE],
  'JSON and another line': [JSON_TYPE, 'Content-Type: text/plain'],
  'JSON with a parameter and another line': [`${JSON_TYPE}; a=b`, 'Content-Type: text/plain'],
  'JSON with a charset and another line': [`${JSON_TYPE}; charset=utf-8`, 'Content-Type: text/plain'],
  'another line and JSON': ['Content-Type: text/plain', JSON_TYPE],
  'two in one line': ['Content-Type: application/json, text/plain'],
  'JSON in Latin-1': [`${JSON_TYPE}; charset=iso-8859-1`],
  'JSON in UTF-16': [`${JSON_TYPE};charset="utf-16"`],
  'JSON in two charsets': [`${JSON_TYPE}; charset=utf-8; charset=utf-16`],
};
test('responds 415 with Accept to any media type other than UTF-8 JSON, and keeps the connection', async (t) => {
  const { port } = await listen(t, routes);
  for (const [name, headers] of Object.entries(refusedTypes)) {
    const answer = await answerTo(port, 415, post('{"a":1}', headers))
      .catch((error) => assert.fail(`${name}: ${error.message}`));
    assert.equal(answer.headers.get('accept'), 'application/json', name);
  }
});

test('accepts application/json and application/*+json, case-insensitively and with other parameters', async (t) => {
  const { port } = await listen(t, routes);
  for (const type of [
    'application/json', 'Application/JSON', 'application/json; charset=utf-8', 'application/json;charset="UTF-8"',
    'application/json ; x=y', 'application/vnd.api+json', 'application/ld+json; profile="https://a.example/x"',
    'application/problem+json',
  ]) {
    assert.equal((await answerTo(port, 200, post('{"a":1}', [`Content-Type: ${type}`]))).body, '{"a":1}');
  }
});

test('responds 415 with Accept-Encoding: identity to any Content-Encoding but identity', async (t) => {
  const { port } = await listen(t, routes);
  for (const coding of ['gzip', 'br', 'deflate', 'gzip, gzip', 'identity, gzip', 'GZIP', 'x']) {
    const { headers } = await answerTo(port, 415, post('{}', [JSON_TYPE, `Content-Encoding: ${coding}`]));
    assert.equal(headers.get('accept-encoding'), 'identity');
  }
  await answerTo(port, 200, post('{}', [JSON_TYPE, 'Content-Encoding: identity']));
});
