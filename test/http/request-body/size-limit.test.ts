import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { announced, Connection, JSON_TYPE, requestBytes, sendRaw, withBody } from '../support/connection.ts';
import { post, responseTo, routes } from '../support/json-requests.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

test('responds 413 immediately if Content-Length exceeds the limit', async (t) => {
  const { port } = await listen(t, routes, { bodyLimit: 10 });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 11']));
  const [response] = expectResponses(await connection.until(/\}$/), [413]);
  assert.equal(response!.headers.get('connection'), 'close');
  assert.match(response!.body!, /10 bytes/);
});

test('responds 413 as soon as a chunked body exceeds the limit', async (t) => {
  const { port } = await listen(t, routes, { bodyLimit: 10 });
  const head = requestBytes('POST /', [JSON_TYPE, 'Transfer-Encoding: chunked']);
  await responseTo(port, 200, Buffer.from(`${head}5\r\n"1234\r\n5\r\n5678"\r\n0\r\n\r\n`));
  const connection = await Connection.open(t, port);
  connection.send(`${head}5\r\n"1234\r\n5\r\n56789\r\n`);
  connection.send('1\r\n"\r\n');
  expectResponses(await connection.until(/\}$/), [413]);
});

test('responds 500 if the memory does not suffice for the body, and goes on', async (t) => {
  class Quiet extends RequestHandler {
    override doPost() {
      return this.readJson();
    }
    override logError() {}
  }
  const { port } = await listen(t, { '/': Quiet });
  const concat = t.mock.method(Buffer, 'concat', () => {
    concat.mock.restore();
    throw new RangeError('Array buffer allocation failed');
  });
  const chunked = requestBytes('POST /', [JSON_TYPE, 'Transfer-Encoding: chunked'], '1\r\n1\r\n1\r\n2\r\n0\r\n\r\n');
  const next = requestBytes('POST /', [JSON_TYPE, 'Content-Length: 2', 'Connection: close'], '12');
  expectResponses(await sendRaw(t, port, chunked), [500]);
  expectResponses(await sendRaw(t, port, next), [200]);
});

test('accepts a body of exactly the limit', async (t) => {
  const { port } = await listen(t, routes, { bodyLimit: 10 });
  assert.equal((await responseTo(port, 200, post('"12345678"'))).body, '"12345678"');
});

for (const framing of ['announced', 'chunked'] as const) {
  test(`delivers the 413 to a client that first writes 20 MB: ${framing}`, async (t) => {
    const { port } = await listen(t, routes);
    const body = Buffer.alloc(20_000_000, 'a');
    const announced = requestBytes('POST /', [JSON_TYPE, `Content-Length: ${body.length}`]);
    const chunkedHead = requestBytes('POST /', [JSON_TYPE, 'Transfer-Encoding: chunked']);
    const chunked = `${chunkedHead}${body.length.toString(16)}\r\n`;
    for (let times = 0; times < 8; times++) {
      const connection = await Connection.open(t, port);
      connection.socket.pause();
      connection.send(framing === 'announced' ? announced : chunked);
      await new Promise((resolve) => connection.socket.write(body, resolve));
      connection.send(framing === 'announced' ? '' : '\r\n0\r\n\r\n');
      connection.socket.resume();
      expectResponses(await connection.untilClosed(), [413]);
    }
  });
}

const EXPECT = 'Expect: 100-continue';

class Bytes extends RequestHandler {
  override async doPost() {
    const body = await this.readBody();
    return { isBuffer: Buffer.isBuffer(body), hex: body.toString('hex') };
  }
}

class Limited extends RequestHandler {
  static override readonly bodyLimit: number = 20;
  override async doPost() {
    return (await this.readBody()).length;
  }
  override async doPut() {
    return (await this.readBody(30)).length;
  }
  override doPatch() {
    return this.readJson();
  }
}

class LimitedLess extends Limited {
  static override readonly bodyLimit = 5;
}

const limits: [what: string, requestLine: string, limit: number][] = [
  ["the server's bodyLimit", 'POST /', 10],
  ["the limit of the class", 'POST /limited', 20],
  ['the limit of a subclass', 'POST /less', 5],
  ['the limit of the call', 'PUT /limited', 30],
];
for (const [what, requestLine, limit] of limits) {
  test(`limits declared and chunked bodies to ${what}`, async (t) => {
    const { port } = await listen(t, { '/': Bytes, '/limited': Limited, '/less': LimitedLess }, { bodyLimit: 10 });
    expectResponses(await sendRaw(t, port, withBody(requestLine, 'x'.repeat(limit))), [200]);

    const tooLong = await Connection.open(t, port);
    tooLong.send(announced(requestLine, limit + 1, [EXPECT]));
    const [tooLarge] = expectResponses(await tooLong.until(/\}$/), [413]);
    assert.match(tooLarge!.body!, new RegExp(`\\b${limit} bytes`));

    const chunked = await Connection.open(t, port);
    chunked.send(requestBytes(requestLine, ['Transfer-Encoding: chunked']));
    chunked.send(`${limit.toString(16)}\r\n${'x'.repeat(limit)}\r\n`);
    chunked.send('1\r\nx\r\n');
    expectResponses(await chunked.until(/\}$/), [413]);
  });
}

test("applies the limit of the class to readJson()", async (t) => {
  const { port } = await listen(t, { '/limited': Limited }, { bodyLimit: 1_000 });
  const json = (length: number) =>
    withBody('PATCH /limited', JSON.stringify('x'.repeat(length - 2)), ['Content-Type: application/json']);
  expectResponses(await sendRaw(t, port, json(20)), [200]);
  expectResponses(await sendRaw(t, port, json(21)), [413]);
});

test("accepts a class limit above that of the server", async (t) => {
  class Upload extends Bytes {
    static override readonly bodyLimit = 5_000_000;
    override async doPost() {
      const body = await this.readBody();
      return { isBuffer: true, hex: String(body.length) };
    }
  }
  const { port } = await listen(t, { '/': Upload }, { bodyLimit: 10 });
  const [response] = expectResponses(await sendRaw(t, port, withBody('POST /', Buffer.alloc(5_000_000))), [200]);
  assert.equal(JSON.parse(response!.body!).hex, '5000000');
  const connection = await Connection.open(t, port);
  connection.send(announced('POST /', 5_000_001));
  expectResponses(await connection.until(/\}$/), [413]);
});
