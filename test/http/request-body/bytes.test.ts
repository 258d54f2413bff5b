import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { RequestHandler } from '../../../src/http/index.ts';
import { Connection, requestBytes, sendRaw, withBody } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

class Bytes extends RequestHandler {
  override async doPost() {
    const body = await this.readBody();
    return { isBuffer: Buffer.isBuffer(body), hex: body.toString('hex') };
  }
}

for (const type of [
  [],
  ['Content-Type: image/png'],
  ['Content-Type: application/json'],
  ['Content-Type: a'],
  ['Content-Encoding: gzip'],
]) {
  test(`returns the raw bytes from readBody() with ${type[0] ?? 'no Content-Type'}`, async (t) => {
    const { port } = await listen(t, { '/': Bytes });
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const [response] = expectResponses(await sendRaw(t, port, withBody('POST /', bytes, type)), [200]);
    assert.deepEqual(JSON.parse(response!.body!), { isBuffer: true, hex: bytes.toString('hex') });
  });
}

test('returns an empty Buffer from readBody() for a missing or empty body', async (t) => {
  const { port } = await listen(t, { '/': Bytes });
  const requests = [
    requestBytes('POST /', ['Connection: close']),
    requestBytes('POST /', ['Connection: close', 'Content-Length: 0']),
    requestBytes('POST /', ['Connection: close', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
  ];
  for (const bytes of requests) {
    const [response] = expectResponses(await sendRaw(t, port, bytes), [200]);
    assert.deepEqual(JSON.parse(response!.body!), { isBuffer: true, hex: '' });
  }
});

test('reassembles chunks and arbitrarily split packets', async (t) => {
  const { port } = await listen(t, { '/': Bytes });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', ['Connection: close', 'Transfer-Encoding: chunked']));
  for (const packet of ['1', '\r\na\r\n2\r\nb', 'c\r\n', '3\r\ndef', '\r\n0\r\n\r\n']) {
    connection.send(packet);
    await new Promise(setImmediate);
  }
  const [response] = expectResponses(await connection.untilClosed(), [200]);
  assert.equal(JSON.parse(response!.body!).hex, Buffer.from('abcdef').toString('hex'));
});

test('reads a form with URLSearchParams', async (t) => {
  class Form extends RequestHandler {
    override async doPost() {
      return Object.fromEntries(new URLSearchParams(String(await this.readBody())));
    }
  }
  const { url } = await listen(t, { '/': Form });
  const fields = { name: 'Jürgen & Söhne', n: '2' };
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(fields) });
  assert.deepEqual(await response.json(), fields);
});

test('rejects a second read of the body', async (t) => {
  const logged: unknown[] = [];
  class Twice extends RequestHandler {
    override async doPost() {
      await this.readBody();
      return String(await this.readBody());
    }
    override async doPut() {
      await this.readBody();
      return this.readJson();
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Twice });
  for (const method of ['POST', 'PUT']) {
    expectResponses(await sendRaw(t, port, withBody(`${method} /`, '{}', ['Content-Type: application/json'])), [500]);
  }
  assert.equal(logged.length, 2);
  for (const error of logged) assert.match(String(error), /read/);
});

test('reads the body completely despite another listener and a failed read', async (t) => {
  class Beside extends RequestHandler {
    override async doPost() {
      let seen = '';
      this.request.on('data', (chunk) => (seen += chunk));
      const short = assert.rejects(this.readBody(10), /must not exceed 10 bytes/);
      const whole = await this.readJson();
      await short;
      return { whole, seen };
    }
  }
  const { port } = await listen(t, { '/': Beside });
  const body = JSON.stringify({ text: 'a'.repeat(50) });
  const bytes = withBody('POST /', body, ['Content-Type: application/json']);
  const connection = await Connection.open(t, port);
  connection.send(bytes.subarray(0, -30));
  await new Promise(setImmediate);
  connection.send(bytes.subarray(-30));
  const [response] = expectResponses(await connection.untilClosed(), [200]);
  assert.deepEqual(JSON.parse(response!.body!), { whole: JSON.parse(body), seen: body });
});

const SERVER = `
import { RequestHandler, createServer } from './src/http/index.ts';
class Length extends RequestHandler {
  async doPost() {
    return (await this.readJson()).length;
  }
  async doPut() {
    return (await this.readBody()).length;
  }
}
const server = createServer({ '/': Length });
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
`;

test('reads 160,000 one-byte chunks three times in 48 MB', async (t) => {
  const child = spawn(
    process.execPath,
    ['--max-old-space-size=48', ...process.execArgv, '--input-type=module', '--eval', SERVER],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  t.after(() => child.kill('SIGKILL'));
  const [printed] = await once(child.stdout!, 'data');
  const port = Number(printed);
  const chunks = Buffer.from(`1\r\n"\r\n${'1\r\nx\r\n'.repeat(160_000)}1\r\n"\r\n0\r\n\r\n`);
  const upload = (method: string) => {
    const head = requestBytes(`${method} /`, [
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
      'Connection: close',
    ]);
    return sendRaw(t, port, Buffer.concat([Buffer.from(head), chunks]));
  };
  const received = await Promise.all(['POST', 'POST', 'PUT'].map(upload));
  assert.deepEqual(
    received.map((bytes) => expectResponses(bytes, [200])[0]!.body),
    ['160000', '160000', '160002'],
  );
  child.stdin!.end();
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
});

// Node's option optimizeEmptyRequests would leave such a handler waiting.
test("emits 'end' to a handler that reads a request without a body itself", async (t) => {
  class Own extends RequestHandler {
    override doPost() {
      return new Promise((resolve) => this.request.on('end', () => resolve('ended')).resume());
    }
  }
  const { port } = await listen(t, { '/': Own }, { handlerTimeout: 5 });
  const [response] = expectResponses(await sendRaw(t, port, requestBytes('POST /', ['Connection: close'])), [200]);
  assert.equal(response!.body, '"ended"');
});

test('responds 500 to a handler that sets the encoding of the request, and logs a fix', async (t) => {
  const logged: unknown[] = [];
  class Text extends RequestHandler {
    override async doPost() {
      this.request.setEncoding('utf8');
      return String(await this.readBody());
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Text });
  expectResponses(await sendRaw(t, port, withBody('POST /', '{}')), [500]);
  assert.match(String(logged), /leave out this\.request\.setEncoding\(\)/);
});

for (const limit of [NaN, -1]) {
  test(`responds 500 to readBody(${limit}) and logs the limit`, async (t) => {
    const logged: unknown[] = [];
    class Unlimited extends RequestHandler {
      override doPost() {
        return this.readBody(limit);
      }
      override logError(error: unknown) {
        logged.push(error);
      }
    }
    const { port } = await listen(t, { '/': Unlimited });
    expectResponses(await sendRaw(t, port, withBody('POST /', '{}')), [500]);
    assert.match(String(logged), new RegExp(`must be a number of bytes, not ${limit}`));
  });
}
