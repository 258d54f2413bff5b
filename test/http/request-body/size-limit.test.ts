import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes, sendRaw } from '../support/connection.ts';
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

test('responds 413 immediately if Content-Length exceeds the limit', async (t) => {
  const { port } = await listen(t, routes, { bodyLimit: 10 });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 11']));
  const [answer] = expectResponses(await connection.until(/\}$/), [413]);
  assert.equal(answer!.headers.get('connection'), 'close');
  assert.match(answer!.body!, /10 bytes/);
});

test('responds 413 as soon as a chunked body exceeds the limit', async (t) => {
  const { port } = await listen(t, routes, { bodyLimit: 10 });
  const head = requestBytes('POST /', [JSON_TYPE, 'Transfer-Encoding: chunked']);
  await answerTo(port, 200, Buffer.from(`${head}5\r\n"1234\r\n5\r\n5678"\r\n0\r\n\r\n`));
  const connection = await Connection.open(t, port);
  connection.send(`${head}5\r\n"1234\r\n5\r\n56789\r\n`);
  connection.send('1\r\n"\r\n');
  expectResponses(await connection.until(/\}$/), [413]);
});

test('accepts a body of exactly the limit', async (t) => {
  const { port } = await listen(t, routes, { bodyLimit: 10 });
  assert.equal((await answerTo(port, 200, post('"12345678"'))).body, '"12345678"');
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

function announced(requestLine: string, length: number, headers: readonly string[] = []): string {
  return requestBytes(requestLine, [`Content-Length: ${length}`, ...headers]);
}

/** Builds a request with this body and Connection: close. */
function withBody(requestLine: string, body: Buffer | string, headers: readonly string[] = []): Buffer {
  const head = announced(requestLine, Buffer.byteLength(body), ['Connection: close', ...headers]);
  return Buffer.concat([Buffer.from(head), Buffer.from(body)]);
}

const limits: [what: string, requestLine: string, limit: number][] = [
  ["the server's bodyLimit", 'POST /', 10],
  ["the class's own", 'POST /limited', 20],
  ['one that a class overrides', 'POST /less', 5],
  ['the one of the call, before any other', 'PUT /limited', 30],
];
for (const [what, requestLine, limit] of limits) {
  test(`readBody enforces the limit for declared and chunked bodies: ${what}`, async (t) => {
    const { port } = await listen(t, { '/': Bytes, '/limited': Limited, '/less': LimitedLess }, { bodyLimit: 10 });
    expectResponses(await sendRaw(t, port, withBody(requestLine, 'x'.repeat(limit))), [200]);

    const tooLong = await Connection.open(t, port);
    tooLong.send(announced(requestLine, limit + 1, [EXPECT]));
    const [refused] = expectResponses(await tooLong.until(/\}$/), [413]);
    assert.match(refused!.body!, new RegExp(`\\b${limit} bytes`));

    const chunked = await Connection.open(t, port);
    chunked.send(requestBytes(requestLine, ['Transfer-Encoding: chunked']));
    chunked.send(`${limit.toString(16)}\r\n${'x'.repeat(limit)}\r\n`);
    chunked.send('1\r\nx\r\n');
    expectResponses(await chunked.until(/\}$/), [413]);
  });
}

test("readJson also uses the class's limit", async (t) => {
  const { port } = await listen(t, { '/limited': Limited }, { bodyLimit: 1_000 });
  const json = (length: number) =>
    withBody('PATCH /limited', JSON.stringify('x'.repeat(length - 2)), ['Content-Type: application/json']);
  expectResponses(await sendRaw(t, port, json(20)), [200]);
  expectResponses(await sendRaw(t, port, json(21)), [413]);
});

test("a class's limit may exceed the server's", async (t) => {
  class Upload extends Bytes {
    static override readonly bodyLimit = 5_000_000;
    override async doPost() {
      const body = await this.readBody();
      return { isBuffer: true, hex: String(body.length) };
    }
  }
  const { port } = await listen(t, { '/': Upload }, { bodyLimit: 10 });
  const [answer] = expectResponses(await sendRaw(t, port, withBody('POST /', Buffer.alloc(5_000_000))), [200]);
  assert.equal(JSON.parse(answer!.body!).hex, '5000000');
  const connection = await Connection.open(t, port);
  connection.send(announced('POST /', 5_000_001));
  expectResponses(await connection.until(/\}$/), [413]);
});
