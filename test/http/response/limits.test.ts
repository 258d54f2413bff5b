import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler, type StandardSchema } from '../../../src/http/index.ts';
import { JSON_TYPE, requestBytes, sendRaw, withBody } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses, parseResponses } from '../support/response.ts';

class Special extends RequestHandler {
  override doHead() {
    this.sendHeader('Content-Length', 12_345);
  }
  override doGet() {
    this.sendResponse(205);
  }
  override doPut() {
    this.sendResponse(205);
    this.endHeaders();
  }
  override doPost() {
    const issue = (index: number) => ({ message: 'wrong', path: [index] });
    const schema: StandardSchema = {
      '~standard': {
        version: 1, vendor: 'test', validate: () => ({ issues: Array.from({ length: 200_000 }, (_, at) => issue(at)) }),
      },
    };
    return this.readJson(schema);
  }
}

const close = ['Connection: close'];

test('keeps the Content-Length of doHead()', async (t) => {
  const { port } = await listen(t, { '/': Special });
  const received = await sendRaw(t, port, requestBytes('HEAD /', close));
  assert.match(received, /^HTTP\/1\.1 200 [^]*\r\nContent-Length: 12345\r\n/);
});

for (const method of ['GET', 'PUT']) {
  test(`sends a 205 without a body: ${method}`, async (t) => {
    const { port } = await listen(t, { '/': Special });
    const [response] = parseResponses(await sendRaw(t, port, requestBytes(`${method} /`, close)));
    assert.equal(response!.status, 205);
    assert.ok(!response!.body);
  });
}

test('responds with the first hundred of 200,000 schema issues and their number', async (t) => {
  const { port } = await listen(t, { '/': Special });
  const received = await sendRaw(t, port, withBody('POST /', '[]', [JSON_TYPE]));
  const [response] = expectResponses(received, [422]);
  const { detail, errors } = JSON.parse(response!.body!);
  assert.equal(errors.length, 100);
  assert.match(detail, /200000|200,000/);
});

for (const charset of ['utf8', 'UTF8', '"utf-8"', 'UTF-8']) {
  test(`accepts charset=${charset}`, async (t) => {
    class Echo extends RequestHandler {
      override doPost() {
        return this.readJson();
      }
    }
    const { port } = await listen(t, { '/': Echo });
    const type = `Content-Type: application/json; charset=${charset}`;
    expectResponses(await sendRaw(t, port, withBody('POST /', '[]', [type])), [200]);
  });
}

test('merges Vary headers with long white space in linear time', async (t) => {
  class Varies extends RequestHandler {
    override doGet() {
      const spaces = ' '.repeat(400_000);
      this.sendHeader('Vary', 'Accept');
      this.sendHeader('Vary', `${spaces}Cookie${spaces},${spaces}Accept`);
    }
  }
  const { port } = await listen(t, { '/': Varies });
  assert.match(await sendRaw(t, port, requestBytes('GET /', close)), /\r\nVary: Accept, Cookie\r\n/);
});
