import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { RequestHandler } from '../../src/http/index.ts';
import { type Answer, parseAnswers, soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';

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

/** Posts a body, and after it asks on the same connection for one more thing, to see that it is still of use. */
async function answerTo(port: number, status: number, request: Buffer): Promise<Answer> {
  const after: (() => void)[] = [];
  const bytes = Buffer.concat([request, Buffer.from(requestBytes('GET /', ['Connection: close']))]);
  const received = await sendRaw({ after: (free) => after.push(free as () => void) }, port, bytes);
  for (const free of after) free();
  const [answer, next] = soundAnswers(received, [status, 200]);
  assert.equal(next!.body, '"got"');
  return answer!;
}

test('a body that is announced over the limit is answered 413 at once, before a byte of it has come', async (t) => {
  const { port } = await listen(t, routes, { bodyLimit: 10 });
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 11']));
  const [answer] = soundAnswers(await connection.until(/\}$/), [413]);
  assert.equal(answer!.headers.get('connection'), 'close');
  assert.match(answer!.body!, /10 bytes/);
});

test('a chunked body is read up to the limit, and answered 413 with the first byte beyond it', async (t) => {
  const { port } = await listen(t, routes, { bodyLimit: 10 });
  const head = requestBytes('POST /', [JSON_TYPE, 'Transfer-Encoding: chunked']);
  await answerTo(port, 200, Buffer.from(`${head}5\r\n"1234\r\n5\r\n5678"\r\n0\r\n\r\n`));
  const connection = await Connection.open(t, port);
  connection.send(`${head}5\r\n"1234\r\n5\r\n56789\r\n`);
  connection.send('1\r\n"\r\n');
  soundAnswers(await connection.until(/\}$/), [413]);
});

test('a body of exactly the limit is served', async (t) => {
  const { port } = await listen(t, routes, { bodyLimit: 10 });
  assert.equal((await answerTo(port, 200, post('"12345678"'))).body, '"12345678"');
});

for (const framing of ['announced', 'chunked'] as const) {
  test(`a client that reads only after it has written 20 MB still sees the 413: ${framing}`, async (t) => {
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
      soundAnswers(await connection.untilClosed(), [413]);
    }
  });
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
test('any media type but JSON in UTF-8 is answered 415 with Accept, and the connection stays usable', async (t) => {
  const { port } = await listen(t, routes);
  for (const [name, headers] of Object.entries(refusedTypes)) {
    const answer = await answerTo(port, 415, post('{"a":1}', headers))
      .catch((error) => assert.fail(`${name}: ${error.message}`));
    assert.equal(answer.headers.get('accept'), 'application/json', name);
  }
});

test('application/json and application/*+json are read, in any case, with any other parameter', async (t) => {
  const { port } = await listen(t, routes);
  for (const type of [
    'application/json', 'Application/JSON', 'application/json; charset=utf-8', 'application/json;charset="UTF-8"',
    'application/json ; x=y', 'application/vnd.api+json', 'application/ld+json; profile="https://a.example/x"',
    'application/problem+json',
  ]) {
    assert.equal((await answerTo(port, 200, post('{"a":1}', [`Content-Type: ${type}`]))).body, '{"a":1}');
  }
});

test('a Content-Encoding is answered 415 with Accept-Encoding: identity; identity itself is read', async (t) => {
  const { port } = await listen(t, routes);
  for (const coding of ['gzip', 'br', 'deflate', 'gzip, gzip', 'identity, gzip', 'GZIP', 'x']) {
    const { headers } = await answerTo(port, 415, post('{}', [JSON_TYPE, `Content-Encoding: ${coding}`]));
    assert.equal(headers.get('accept-encoding'), 'identity');
  }
  await answerTo(port, 200, post('{}', [JSON_TYPE, 'Content-Encoding: identity']));
});

test('a body that is empty, blank or malformed is answered 400, and the connection stays usable', async (t) => {
  const { port } = await listen(t, routes);
  for (const body of [
    '', ' ', '\r\n\t', '\0', '{', '[1,]', "{'a':1}", '{"a":1}}', 'undefined', 'NaN', '01', '"\n"', '"\\x"', '\ufeff',
    '\ufeff\ufeff1', '<a/>', '{"a":1}\0',
  ]) {
    await answerTo(port, 400, post(body));
  }
  await answerTo(port, 400, Buffer.from(requestBytes('POST /', [JSON_TYPE])));
  const empty = requestBytes('POST /', [JSON_TYPE, 'Transfer-Encoding: chunked'], '0\r\n\r\n');
  await answerTo(port, 400, Buffer.from(empty));
});

test('malformed JSON is answered with what is wrong, as far as the engine tells', async (t) => {
  const { port } = await listen(t, routes);
  const { body } = await answerTo(port, 400, post('{"a":1,\n"b" 2}'));
  let reason = '';
  try {
    JSON.parse('{"a":1,\n"b" 2}');
  } catch (error) {
    reason = (error as SyntaxError).message;
  }
  assert.ok(reason && JSON.parse(body!).detail.includes(reason));
});

test('invalid UTF-8 is answered 400', async (t) => {
  const { port } = await listen(t, routes);
  for (const bytes of ['ff', '80', 'c080', 'c3', 'e282', 'eda080', 'f5808080', 'f09f9880f0', 'fffe2200']) {
    const body = Buffer.concat([Buffer.from('"'), Buffer.from(bytes, 'hex'), Buffer.from('"')]);
    await answerTo(port, 400, post(body));
  }
});

test('a character that is split over two packets is whole', async (t) => {
  const { port } = await listen(t, routes);
  const bytes = post('"€😀"', [JSON_TYPE, 'Connection: close']);
  for (let cut = bytes.length - 8; cut < bytes.length; cut++) {
    const connection = await Connection.open(t, port);
    connection.send(bytes.subarray(0, cut));
    await new Promise(setImmediate);
    connection.send(bytes.subarray(cut));
    const [answer] = soundAnswers(await connection.untilClosed(), [200]);
    assert.equal(Buffer.from(answer!.body!, 'latin1').toString(), '"€😀"');
  }
});

test('one byte order mark is skipped', async (t) => {
  const { port } = await listen(t, routes);
  assert.equal((await answerTo(port, 200, post('\ufeff{"a":1}'))).body, '{"a":1}');
});

test('a key named __proto__ is answered 400, wherever it is and however it is spelled', async (t) => {
  const { port } = await listen(t, routes);
  const letters = [...'__proto__'];
  const escape = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const spellings = [
    '__proto__',
    ...letters.map((_, index) => letters.map((letter, at) => (at === index ? escape(letter) : letter)).join('')),
    letters.map(escape).join(''),
    letters.map((letter) => escape(letter).toUpperCase().replace('U', 'u')).join(''),
  ];
  for (const key of spellings) {
    for (const body of [`{"${key}":{"admin":true}}`, `{"a":[{"b":{"${key}":null}}]}`, `{"a":1,"${key}":1}`]) {
      await answerTo(port, 400, post(body)).catch((error) => assert.fail(`${body}: ${error.message}`));
    }
  }
});

test('__proto__ as a value, and constructor and prototype as keys, are served', async (t) => {
  const { port } = await listen(t, routes);
  for (const body of ['{"a":"__proto__"}', '["__proto__"]', '{"constructor":{"prototype":1}}', '{"a__proto__":1}']) {
    assert.equal((await answerTo(port, 200, post(body))).body, body);
  }
});

test('100 levels of nesting are served; 101, 5,000 and 400,000 are answered 400', async (t) => {
  const { port } = await listen(t, routes);
  const arrays = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  const objects = (depth: number) => '{"a":'.repeat(depth - 1) + '{}' + '}'.repeat(depth - 1);
  for (const nested of [arrays, objects]) {
    assert.equal((await answerTo(port, 200, post(nested(100)))).body, nested(100));
    for (const depth of [101, 5_000]) {
      assert.match((await answerTo(port, 400, post(nested(depth)))).body!, /100 levels/);
    }
  }
  await answerTo(port, 400, post(arrays(400_000)));
  await answerTo(port, 400, post(`[${arrays(50)},"\\"",${arrays(100)}]`));
});

test('brackets in strings are no nesting, nor is breadth', async (t) => {
  const { port } = await listen(t, routes);
  for (const value of [
    '['.repeat(5_000), `\\"${'{'.repeat(500)}`, Array(500).fill([]), { '[[[[': '\\', b: '['.repeat(200) },
  ]) {
    const body = JSON.stringify(value);
    assert.equal((await answerTo(port, 200, post(body))).body, body);
  }
});

test(
  'an upload that is aborted gets no answer: the wait for its body ends, nothing is logged as an error, nothing leaks',
  { timeout: 20_000 },
  async (t) => {
    const lines: unknown[] = [];
    let left: (reason: unknown) => void;
    const reason = new Promise((resolve) => (left = resolve));
    class Upload extends RequestHandler {
      override async doPost() {
        this.signal.addEventListener('abort', () => lines.push('aborted'));
        await this.readJson().catch((error: unknown) => {
          left(error);
          throw error;
        });
      }
      override logRequest() {
        lines.push('request');
      }
      override logError(error: unknown) {
        lines.push(error);
      }
    }
    const { port, server } = await listen(t, { '/': Upload });
    const connection = await Connection.open(t, port);
    connection.send(requestBytes('POST /', [JSON_TYPE, 'Content-Length: 900000'], 'a'.repeat(100_000)));
    const [, response] = await once(server, 'request');
    connection.socket.resetAndDestroy();
    assert.ok((await reason) instanceof Error);
    if (!response.closed) await once(response, 'close');
    await new Promise(setImmediate);
    assert.equal(connection.received, '');
    assert.deepEqual(lines.sort(), ['aborted', 'request']);
    assert.equal(await new Promise((resolve) => server.getConnections((_, count) => resolve(count))), 0);
  },
);

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
const chunk = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;
const unread: Record<string, [request: string, status: number]> = {
  'on a GET': [requestBytes('GET /', [`Content-Length: ${smuggled.length}`], smuggled), 200],
  'on a GET, in chunks': [requestBytes('GET /', ['Transfer-Encoding: chunked'], chunk), 200],
  'on an OPTIONS': [requestBytes('OPTIONS /', [`Content-Length: ${smuggled.length}`], smuggled), 204],
  'of a method that does not read it': [requestBytes('PUT /', [`Content-Length: ${smuggled.length}`], smuggled), 200],
  'of a method that does not read it, in chunks': [requestBytes('PUT /', ['Transfer-Encoding: chunked'], chunk), 200],
  'of a path that is none': [requestBytes('POST /none', [`Content-Length: ${smuggled.length}`], smuggled), 404],
  'of a media type that is refused': [
    requestBytes('POST /', ['Content-Type: a/b', `Content-Length: ${smuggled.length}`], smuggled),
    415,
  ],
  'of a media type that is refused, in chunks': [
    requestBytes('POST /', ['Content-Type: a/b', 'Transfer-Encoding: chunked'], chunk),
    415,
  ],
  'that is too long': [
    requestBytes('POST /', [JSON_TYPE, `Content-Length: ${100 * smuggled.length}`], smuggled.repeat(100)),
    413,
  ],
};
for (const [name, [request, status]] of Object.entries(unread)) {
  test(`an unread body ${name} is never taken for the next request, wherever the packets are cut`, async (t) => {
    const { port, server } = await listen(t, routes, { bodyLimit: 1_000 });
    const bytes = request + requestBytes('GET /', ['Connection: close']);
    const head = request.indexOf('\r\n\r\n') + 4;
    for (const cut of [head, head + 10, request.length, bytes.length]) {
      const connection = await Connection.open(t, port);
      connection.send(bytes.slice(0, cut));
      await once(server, 'request');
      connection.send(bytes.slice(cut));
      const received = await connection.untilClosed();
      const [{ headers }, next] = parseAnswers(received) as [Answer, Answer?];
      soundAnswers(received, next ? [status, 200] : [status]);
      assert.equal(headers.get('connection'), next ? 'keep-alive' : 'close');
      assert.equal(next?.body, next && '"got"');
    }
  });
}

test('what JSON leaves open is as JSON.parse has it', async (t) => {
  const { port } = await listen(t, routes);
  for (const [body, echo] of [
    ['{"a":1,"a":2}', '{"a":2}'],
    ['1e400', 'null'],
    ['"\\ud800"', '"\\ud800"'],
    ['9007199254740993', '9007199254740992'],
    [' 1 ', '1'],
    ['-0', '0'],
  ] as const) {
    assert.equal((await answerTo(port, 200, post(body))).body, echo);
  }
});
