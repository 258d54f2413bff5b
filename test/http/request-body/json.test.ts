import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection, JSON_TYPE, requestBytes } from '../support/connection.ts';
import { post, responseTo, routes } from '../support/json-requests.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';

const unsupportedTypes: Record<string, string[]> = {
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
test('responds 415 with Accept to other media types, and keeps the connection', async (t) => {
  const { port } = await listen(t, routes);
  for (const [name, headers] of Object.entries(unsupportedTypes)) {
    const response = await responseTo(port, 415, post('{"a":1}', headers))
      .catch((error) => assert.fail(`${name}: ${error.message}`));
    assert.equal(response.headers.get('accept'), 'application/json', name);
  }
});

test('accepts application/json and +json in any case, with other parameters', async (t) => {
  const { port } = await listen(t, routes);
  for (const type of [
    'application/json', 'Application/JSON', 'application/json; charset=utf-8', 'application/json;charset="UTF-8"',
    'application/json ; x=y', 'application/vnd.api+json', 'application/ld+json; profile="https://a.example/x"',
    'application/problem+json',
  ]) {
    assert.equal((await responseTo(port, 200, post('{"a":1}', [`Content-Type: ${type}`]))).body, '{"a":1}');
  }
});

test('responds 415 with Accept-Encoding: identity to any Content-Encoding but identity', async (t) => {
  const { port } = await listen(t, routes);
  for (const coding of ['gzip', 'br', 'deflate', 'gzip, gzip', 'identity, gzip', 'GZIP', 'x']) {
    const { headers } = await responseTo(port, 415, post('{}', [JSON_TYPE, `Content-Encoding: ${coding}`]));
    assert.equal(headers.get('accept-encoding'), 'identity');
  }
  await responseTo(port, 200, post('{}', [JSON_TYPE, 'Content-Encoding: identity']));
});

test('responds 400 to an empty, blank or malformed body, and keeps the connection', async (t) => {
  const { port } = await listen(t, routes);
  for (const body of [
    '', ' ', '\r\n\t', '\0', '{', '[1,]', "{'a':1}", '{"a":1}}', 'undefined', 'NaN', '01', '"\n"', '"\\x"', '\ufeff',
    '\ufeff\ufeff1', '<a/>', '{"a":1}\0',
  ]) {
    await responseTo(port, 400, post(body));
  }
  await responseTo(port, 400, Buffer.from(requestBytes('POST /', [JSON_TYPE])));
  const empty = requestBytes('POST /', [JSON_TYPE, 'Transfer-Encoding: chunked'], '0\r\n\r\n');
  await responseTo(port, 400, Buffer.from(empty));
});

test("includes V8's message in the response to malformed JSON", async (t) => {
  const { port } = await listen(t, routes);
  const { body } = await responseTo(port, 400, post('{"a":1,\n"b" 2}'));
  let reason = '';
  try {
    JSON.parse('{"a":1,\n"b" 2}');
  } catch (error) {
    reason = (error as SyntaxError).message;
  }
  assert.ok(reason && JSON.parse(body!).detail.includes(reason));
});

test('responds 400 to invalid UTF-8', async (t) => {
  const { port } = await listen(t, routes);
  for (const bytes of ['ff', '80', 'c080', 'c3', 'e282', 'eda080', 'f5808080', 'f09f9880f0', 'fffe2200']) {
    const body = Buffer.concat([Buffer.from('"'), Buffer.from(bytes, 'hex'), Buffer.from('"')]);
    await responseTo(port, 400, post(body));
  }
});

test('decodes a character that is split across two packets', async (t) => {
  const { port } = await listen(t, routes);
  const bytes = post('"€😀"', [JSON_TYPE, 'Connection: close']);
  for (let split = bytes.length - 8; split < bytes.length; split++) {
    const connection = await Connection.open(t, port);
    connection.send(bytes.subarray(0, split));
    await new Promise(setImmediate);
    connection.send(bytes.subarray(split));
    const [response] = expectResponses(await connection.untilClosed(), [200]);
    assert.equal(Buffer.from(response!.body!, 'latin1').toString(), '"€😀"');
  }
});

test('skips one byte order mark', async (t) => {
  const { port } = await listen(t, routes);
  assert.equal((await responseTo(port, 200, post('\ufeff{"a":1}'))).body, '{"a":1}');
});

test('responds 400 to a __proto__ key, nested or escaped in any way', async (t) => {
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
      await responseTo(port, 400, post(body)).catch((error) => assert.fail(`${body}: ${error.message}`));
    }
  }
});

test('accepts __proto__ as a value, and constructor and prototype as keys', async (t) => {
  const { port } = await listen(t, routes);
  for (const body of ['{"a":"__proto__"}', '["__proto__"]', '{"constructor":{"prototype":1}}', '{"a__proto__":1}']) {
    assert.equal((await responseTo(port, 200, post(body))).body, body);
  }
});

test('accepts 100 levels of nesting and responds 400 to more', async (t) => {
  const { port } = await listen(t, routes);
  const arrays = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  const objects = (depth: number) => '{"a":'.repeat(depth - 1) + '{}' + '}'.repeat(depth - 1);
  for (const nested of [arrays, objects]) {
    assert.equal((await responseTo(port, 200, post(nested(100)))).body, nested(100));
    for (const depth of [101, 5_000]) {
      assert.match((await responseTo(port, 400, post(nested(depth)))).body!, /100 levels/);
    }
  }
  await responseTo(port, 400, post(arrays(400_000)));
  await responseTo(port, 400, post(`[${arrays(50)},"\\"",${arrays(100)}]`));
});

test('does not count brackets in strings or sibling elements as nesting', async (t) => {
  const { port } = await listen(t, routes);
  for (const value of [
    '['.repeat(5_000), `\\"${'{'.repeat(500)}`, Array(500).fill([]), { '[[[[': '\\', b: '['.repeat(200) },
  ]) {
    const body = JSON.stringify(value);
    assert.equal((await responseTo(port, 200, post(body))).body, body);
  }
});

test('parses like JSON.parse if the JSON grammar leaves a choice', async (t) => {
  const { port } = await listen(t, routes);
  for (const [body, echo] of [
    ['{"a":1,"a":2}', '{"a":2}'],
    ['1e400', 'null'],
    ['"\\ud800"', '"\\ud800"'],
    ['9007199254740993', '9007199254740992'],
    [' 1 ', '1'],
    ['-0', '0'],
  ] as const) {
    assert.equal((await responseTo(port, 200, post(body))).body, echo);
  }
});
