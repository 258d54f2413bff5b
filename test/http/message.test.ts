import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { HttpError, RequestHandler, type ServerOptions } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { Connection, requestBytes, sendRaw } from './connection.ts';
import { ServerProcess } from './server-process.ts';
import { within } from '../waiting.ts';

class Echo extends RequestHandler {
  override doGet() {
    return { path: this.path, query: this.query.toString() };
  }
  override doPost() {
    return this.readJson();
  }
}

class Later extends RequestHandler {
  override async doGet() {
    await new Promise(setImmediate);
    return 'later';
  }
}

class Guarded extends Echo {
  override prepare() {
    throw new HttpError(401, 'Who are you?', { 'WWW-Authenticate': 'Bearer' });
  }
}

const routes = { '/': Echo, '/later': Later, '/guarded': Guarded, '/parts/:name': Echo };
const allowed: ServerOptions = { allowedHosts: ['api.example.com', '127.0.0.1'] };

/** One refusal, which says that the connection closes. */
function assertClosed(received: string, statuses: number | number[], grant?: string | null): void {
  const [status] = [statuses].flat().filter((candidate) => received.startsWith(`HTTP/1.1 ${candidate} `));
  assert.ok(status, received);
  const [answer] = soundAnswers(received, [status], grant);
  assert.equal(answer!.headers.get('connection'), 'close');
  assert.ok(answer!.body);
}

/**
 * What comes back up to the end of the first problem; the server may listen on for a while, to discard what else is
 * sent.
 */
async function firstAnswer(t: TestContext, port: number, bytes: string | Buffer): Promise<string> {
  const connection = await Connection.open(t, port);
  connection.send(bytes);
  return connection.until(/\}$/);
}

const badHosts: Record<string, string> = {
  'is missing': '',
  'is empty': 'Host:\r\n',
  'comes twice': 'Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n',
  'comes twice with different names': 'Host: 127.0.0.1\r\nHost: api.example.com\r\n',
  'has a path': 'Host: 127.0.0.1/x\r\n',
  'has a user': 'Host: user@127.0.0.1\r\n',
  'has a blank': 'Host: 127.0.0.1 x\r\n',
  'has only a port': 'Host: :80\r\n',
  'has a port that is none': 'Host: 127.0.0.1:http\r\n',
  'has two ports': 'Host: 127.0.0.1:1:2\r\n',
  'has an open bracket': 'Host: [::1\r\n',
  'has bytes beyond ASCII': 'Host: \xe4.example.com\r\n',
};
for (const [fault, lines] of Object.entries(badHosts)) {
  test(`a Host that ${fault} is answered 400, whether or not the hosts are restricted`, async (t) => {
    for (const options of [{}, allowed]) {
      const { port } = await listen(t, routes, options);
      assertClosed(await sendRaw(t, port, `GET / HTTP/1.1\r\n${lines}\r\n`), 400);
    }
  });
}

test('HTTP/1.0 may leave Host out, but not send a bad one', async (t) => {
  const { port } = await listen(t, routes, allowed);
  soundAnswers(await sendRaw(t, port, 'GET / HTTP/1.0\r\n\r\n'), [200]);
  assertClosed(await sendRaw(t, port, 'GET / HTTP/1.0\r\nHost: a b\r\n\r\n'), 400);
});

test('a Host that is not allowed is answered 421, and the detail names the variable to set', async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const host of [
    'evil.example', 'api.example.com.evil.example', 'xapi.example.com', 'evil.example:80', 'localhost',
  ]) {
    const received = await sendRaw(t, port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    assertClosed(received, 421);
    assert.match(received, /ALLOWED_HOSTS/);
  }
});

test('an allowed Host is served in any case and with any port', async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const host of ['api.example.com', 'API.example.com', 'api.example.com:1', '127.0.0.1:65535']) {
    soundAnswers(await sendRaw(t, port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`), [200]);
  }
});

test('a good Host before it does not let a bad one in on the same connection', async (t) => {
  const { port } = await listen(t, routes, allowed);
  const good = 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
  soundAnswers(await sendRaw(t, port, `${good}GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n`), [200, 421]);
  soundAnswers(await sendRaw(t, port, `${good}GET / HTTP/1.1\r\nHost:\r\n\r\n`), [200, 400]);
});

test('GET * is answered 400, and OPTIONS * 204 with Allow', async (t) => {
  const { port } = await listen(t, routes);
  assertClosed(await sendRaw(t, port, requestBytes('GET *')), 400);
  const [answer] = soundAnswers(await sendRaw(t, port, requestBytes('OPTIONS *', ['Connection: close'])), [204]);
  assert.match(answer!.headers.get('allow')!, /\bGET\b.*\bPOST\b/);
});

for (const target of [
  '//', '//127.0.0.1/', '//evil.example/x', '///', '/%zz', '/%00', '/%', '/..', '/../../etc/passwd', '/parts/', '/\\',
  '/a/;b', '/__proto__', '/constructor', '/toString', '/hasOwnProperty/x', '/parts/a/__proto__',
]) {
  test(`the target ${target} is answered 404, and the connection stays usable`, async (t) => {
    const { port } = await listen(t, routes);
    const bytes = requestBytes(`GET ${target}`) + requestBytes('GET /', ['Connection: close']);
    soundAnswers(await sendRaw(t, port, bytes), [404, 200]);
  });
}

test('a parameter that cannot be decoded is answered 400', async (t) => {
  class Part extends RequestHandler {
    override doGet() {
      return this.param('name');
    }
  }
  const { port } = await listen(t, { '/parts/:name': Part });
  for (const name of ['%zz', '%', '%ff', '%c0%80']) {
    soundAnswers(await sendRaw(t, port, requestBytes(`GET /parts/${name}`, ['Connection: close'])), [400]);
  }
  const request = requestBytes('GET /parts/%00__proto__%2F', ['Connection: close']);
  const [answer] = soundAnswers(await sendRaw(t, port, request), [200]);
  assert.equal(JSON.parse(answer!.body!), '\0__proto__/');
});

test('a target without a slash is answered 400', async (t) => {
  const { port } = await listen(t, routes);
  for (const target of ['a', '?a=1', 'ftp://127.0.0.1/', 'http:///', 'http://', '127.0.0.1:80']) {
    assertClosed(await sendRaw(t, port, requestBytes(`GET ${target}`)), 400);
  }
});

for (const version of [
  'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/3.0', 'HTTP/9.9', 'HTTP/1', 'http/1.1', 'HTTP/1.10', '',
]) {
  test(`a request line that ends in "${version}" is answered 505 or 400`, async (t) => {
    const { port } = await listen(t, routes);
    assertClosed(await sendRaw(t, port, `GET / ${version}\r\nHost: 127.0.0.1\r\n\r\n`), [505, 400]);
  });
}

test('the HTTP/2 preface is answered 505 or 400', async (t) => {
  const { port } = await listen(t, routes);
  assertClosed(await sendRaw(t, port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), [505, 400]);
});

const badCodings = [
  'gzip', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'identity', 'chunked;q=1', 'xchunked', '"chunked"', '',
  ' ', 'chunked\r\nTransfer-Encoding: chunked', 'chunked\r\nTransfer-Encoding: identity',
];
test(
  'any Transfer-Encoding but chunked is answered 501 or 400, and nothing after it is taken for a request',
  async (t) => {
    const { port } = await listen(t, routes);
    await Promise.all(badCodings.map(async (coding) => {
      const head = requestBytes('POST /', ['Content-Type: application/json', `Transfer-Encoding: ${coding}`]);
      assertClosed(await sendRaw(t, port, `${head}0\r\n\r\n${requestBytes('GET /')}`), [501, 400]);
    }));
  },
);

test('Transfer-Encoding: chunked is read in any case', async (t) => {
  const { port } = await listen(t, routes);
  const head = requestBytes('POST /', [
    'Content-Type: application/json',
    'Transfer-Encoding: Chunked',
    'Connection: close',
  ]);
  const [answer] = soundAnswers(await sendRaw(t, port, `${head}1\r\n[\r\n1\r\n]\r\n0\r\n\r\n`), [200]);
  assert.equal(answer!.body, '[]');
});

test('Transfer-Encoding from an HTTP/1.0 client is answered 400', async (t) => {
  const { port } = await listen(t, routes);
  const head = 'POST / HTTP/1.0\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json';
  assertClosed(await sendRaw(t, port, `${head}\r\n\r\n2\r\n[]\r\n0\r\n\r\n`), 400);
});

test('100 header lines are served; 101 and 1,500 are answered 431', async (t) => {
  const { port } = await listen(t, routes);
  const lines = (count: number) => Array.from({ length: count - 2 }, (_, index) => `x${index}:`);
  soundAnswers(await sendRaw(t, port, requestBytes('GET /', ['Connection: close', ...lines(100)])), [200]);
  for (const count of [101, 1_500]) {
    assertClosed(await sendRaw(t, port, requestBytes('GET /', ['Origin: null', ...lines(count)])), 431);
  }
});

test('an Origin that comes after a thousand other header lines cannot slip past the policy', async (t) => {
  const { port } = await listen(t, routes, { cors: { origins: ['https://app.example.com'] } });
  const lines = Array.from({ length: 1_500 }, () => 'x:');
  const received = await sendRaw(t, port, requestBytes('GET /', [...lines, 'Origin: https://evil.example']));
  assertClosed(received, 431, null);
});

test('a head over 16 kB is answered 431, be it in a header, in many, in the target or in trailers', async (t) => {
  const { port } = await listen(t, routes);
  const long = 'a'.repeat(17_000);
  assertClosed(await sendRaw(t, port, requestBytes('GET /', [`x: ${long}`])), 431);
  assertClosed(await sendRaw(t, port, requestBytes('GET /', [`${long}: x`])), 431);
  const lines = Array.from({ length: 50 }, () => `x: ${long.slice(0, 400)}`);
  assertClosed(await sendRaw(t, port, requestBytes('GET /', lines)), 431);
  assertClosed(await sendRaw(t, port, requestBytes(`GET /${long}`)), 431);
  const chunked = requestBytes('POST /', ['Content-Type: application/json', 'Transfer-Encoding: chunked']);
  assertClosed(await firstAnswer(t, port, `${chunked}2\r\n[]\r\n0\r\nx: ${long}\r\n\r\n`), 431);
});

test('chunk extensions over 16 kB are answered 413', async (t) => {
  const { port } = await listen(t, routes);
  const head = requestBytes('POST /', ['Content-Type: application/json', 'Transfer-Encoding: chunked']);
  assertClosed(await firstAnswer(t, port, `${head}2;${'x'.repeat(17_000)}\r\n[]\r\n0\r\n\r\n`), 413);
});

test('a path of 8,000 bytes is a path like any other', async (t) => {
  const { port } = await listen(t, routes);
  const name = 'a'.repeat(8_000 - '/parts/'.length);
  const request = requestBytes(`GET /parts/${name}`, ['Connection: close']);
  const [answer] = soundAnswers(await sendRaw(t, port, request), [200]);
  assert.equal(JSON.parse(answer!.body!).path, `/parts/${name}`);
});

const post = 'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n';
const malformed: Record<string, string | Buffer> = {
  'a bare line feed after the request line': 'GET / HTTP/1.1\nHost: 127.0.0.1\n\n',
  'a bare line feed after a header': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\n\r\n',
  'a bare carriage return': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\rx: y\r\n\r\n',
  'a blank before the colon': 'GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n',
  'a header without a name': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n: x\r\n\r\n',
  'a header without a colon': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx\r\n\r\n',
  'a NUL in a header': 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx: a\0b\r\n\r\n',
  'a NUL in the target': 'GET /\0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  'two blanks in the request line': 'GET / a HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  'Content-Length with Transfer-Encoding':
    `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n`,
  'two Content-Lengths that differ': `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n[] `,
  'two Content-Lengths in one line': `${post}Content-Length: 2, 2\r\n\r\n[]`,
  'a Content-Length below zero': `${post}Content-Length: -2\r\n\r\n[]`,
  'a Content-Length with a sign': `${post}Content-Length: +2\r\n\r\n[]`,
  'a Content-Length in hexadecimal': `${post}Content-Length: 0x2\r\n\r\n[]`,
  'a Content-Length beyond 64 bits': `${post}Content-Length: 99999999999999999999\r\n\r\n[]`,
  'a chunk size that is no number': `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n`,
  'a chunk size beyond 64 bits': `${post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n[]`,
  'a chunk longer than it says': `${post}Transfer-Encoding: chunked\r\n\r\n1\r\n[]\r\n0\r\n\r\n`,
  'a chunk that ends in a bare line feed': `${post}Transfer-Encoding: chunked\r\n\r\n2\n[]\n0\n\n`,
  'a trailer that is none': `${post}Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\nx\r\n\r\n`,
  'the hello of a TLS client': Buffer.from('160301020001000001fc0303' + 'ab'.repeat(500), 'hex'),
  'words': 'hello\r\n\r\n',
  'zeros': Buffer.alloc(100),
  'an unknown method': requestBytes('FOO /'),
  'a method in lower case': requestBytes('get /'),
};
for (const [fault, bytes] of Object.entries(malformed)) {
  test(`${fault}: answered 400 (an unknown method perhaps 501), and the connection closes`, async (t) => {
    const { port } = await listen(t, routes);
    assertClosed(await firstAnswer(t, port, bytes), [400, 501]);
  });
}

for (const [what, start, status] of [
  ['a head that does not end', 'GET / HTTP/1.1\r\nX: ', 431],
  ['a chunk that is none', `${post}Transfer-Encoding: chunked\r\n\r\n`, 400],
  ['garbage', '', 400],
] as const) {
  test(`a client that reads only after it has written 5 MB still sees that it is refused: ${what}`, async (t) => {
    const { port } = await listen(t, routes);
    const bytes = Buffer.concat([Buffer.from(start), Buffer.alloc(5_000_000, 'x')]);
    for (let times = 0; times < 2; times++) {
      const connection = await Connection.open(t, port);
      connection.socket.pause();
      await new Promise((resolve) => connection.socket.write(bytes, resolve));
      connection.socket.resume();
      assertClosed(await connection.until(/\}$/), status);
    }
  });
}

test(
  'what node itself refuses says Vary: Origin under a list of origins, and grants nothing it does not know',
  async (t) => {
    const { port } = await listen(t, routes, { cors: { origins: ['https://app.example.com'], credentials: true } });
    for (const bytes of [malformed['a NUL in a header']!, malformed['the hello of a TLS client']!]) {
      assertClosed(await sendRaw(t, port, bytes), 400, null);
    }
    assertClosed(await sendRaw(t, port, requestBytes('GET /', [`x: ${'a'.repeat(17_000)}`])), 431, null);
    assertClosed(await sendRaw(t, port, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'), 405, null);
  },
);

test(
  'what is refused after the Origin was read grants a known origin its access, and an unknown one nothing',
  async (t) => {
    const origin = 'https://app.example.com';
    const { port } = await listen(t, routes, { ...allowed, cors: { origins: [origin], credentials: true } });
    const bad: [request: string, headers: string[], status: number, rest?: string][] = [
      ['GET *', [], 400],
      ['GET http://evil.example/', [], 421],
      ['POST /', ['Transfer-Encoding: gzip'], 501],
      ['POST /', ['Content-Length: 2', 'Expect: tea'], 417, '[]'],
      ['POST /', ['Transfer-Encoding: chunked', 'Content-Type: application/json'], 400, 'zz\r\n'],
      ['GET /', Array.from({ length: 101 }, () => 'x:'), 431],
    ];
    for (const [requestLine, headers, status, rest] of bad) {
      const received = await firstAnswer(t, port, requestBytes(requestLine, [...headers, `Origin: ${origin}`], rest));
      assertClosed(received, status, origin);
      assert.match(received, /Access-Control-Allow-Credentials: true/);
      const evil = requestBytes(requestLine, [...headers, 'Origin: https://evil.example'], rest);
      const refused = await firstAnswer(t, port, evil);
      assertClosed(refused, [status, 403], null);
      assert.doesNotMatch(refused, /Access-Control-/i);
    }
  },
);

test(
  'a method that the class lacks is answered 405 with Allow, TRACE too, and the connection stays usable',
  async (t) => {
    const { port } = await listen(t, routes);
    for (const method of ['DELETE', 'PUT', 'PROPFIND', 'M-SEARCH', 'TRACE']) {
      const bytes = requestBytes(`${method} /`) + requestBytes('GET /', ['Connection: close']);
      const answers = soundAnswers(await sendRaw(t, port, bytes), [405, 200]);
      assert.equal(answers[0]!.headers.get('allow'), 'GET, HEAD, POST, OPTIONS');
    }
  },
);

test('CONNECT is answered 405 with bytes, and the connection closes', async (t) => {
  const { port } = await listen(t, routes);
  const received = await sendRaw(t, port, 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n');
  assertClosed(received, 405);
  assert.match(received, /\r\nAllow: /);
});

test('a client that resets its CONNECT, or anything else, does not stop the server', async (t) => {
  const { port, server } = await listen(t, routes);
  for (const bytes of [
    'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
    requestBytes('GET /'),
    requestBytes('GET /later'),
    'garbage\r\n\r\n',
    'GET',
  ]) {
    for (let times = 0; times < 5; times++) {
      const connected = once(server, 'connection');
      const { socket } = await Connection.open(t, port);
      const [served] = await connected;
      const closed = new Promise((resolve) => served.once('close', resolve));
      socket.write(bytes, () => socket.resetAndDestroy());
      await closed;
    }
  }
  soundAnswers(await sendRaw(t, port, requestBytes('GET /', ['Connection: close'])), [200]);
});

const expecting = ['Content-Type: application/json', 'Content-Length: 2', 'Expect: 100-continue'];

test('100 Continue comes once the head was found good, and then the answer', async (t) => {
  const { port } = await listen(t, routes);
  const connection = await Connection.open(t, port);
  connection.send(requestBytes('POST /', [...expecting, 'Connection: close']));
  assert.equal(await connection.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n');
  connection.send('[]');
  const [, answer] = soundAnswers(await connection.untilClosed(), [100, 200]);
  assert.equal(answer!.body, '[]');
});

const expectingBad: Record<number, [requestLine: string, headers: string[]]> = {
  401: ['POST /guarded', expecting],
  404: ['POST /nowhere', expecting],
  405: ['PUT /', expecting],
  413: ['POST /', ['Content-Type: application/json', 'Content-Length: 9999999', 'Expect: 100-continue']],
  415: ['POST /', ['Content-Type: text/plain', 'Content-Length: 2', 'Expect: 100-continue']],
  421: ['POST http://evil.example/', expecting],
};
for (const [status, [requestLine, headers]] of Object.entries(expectingBad)) {
  test(`a client that expects 100 Continue and is answered ${status} gets no 100 before it`, async (t) => {
    const { port } = await listen(t, routes, allowed);
    const connection = await Connection.open(t, port);
    connection.send(requestBytes(requestLine, headers));
    const [answer] = soundAnswers(await connection.until(/\}$/), [Number(status)]);
    assert.equal(answer!.headers.get('connection'), 'close');
  });
}

test('an HTTP/1.0 client gets no 100 Continue, which it would take for the answer', async (t) => {
  const { port } = await listen(t, routes);
  const request = `POST / HTTP/1.0\r\n${expecting.join('\r\n')}\r\n\r\n[]`;
  const [answer] = soundAnswers(await sendRaw(t, port, request), [200]);
  assert.equal(answer!.body, '[]');
});

test('any other expectation is answered 417', async (t) => {
  const { port } = await listen(t, routes);
  for (const expectation of ['tea', '100-continue, tea', '200-ok']) {
    assertClosed(await sendRaw(t, port, requestBytes('GET /', [`Expect: ${expectation}`])), 417);
  }
});

test('HTTP/1.0 has no expectations: they are not looked at', async (t) => {
  const { port } = await listen(t, routes);
  soundAnswers(await sendRaw(t, port, 'GET / HTTP/1.0\r\nExpect: tea\r\n\r\n'), [200]);
});

test('an Upgrade is served as an ordinary request that closes: node loses what is in its packet', async (t) => {
  const { port } = await listen(t, routes);
  for (const protocol of ['websocket', 'h2c', 'TLS/1.0']) {
    const upgrade = requestBytes('GET /', ['Connection: Upgrade', `Upgrade: ${protocol}`]);
    soundAnswers(await sendRaw(t, port, upgrade), [200]);
    soundAnswers(await sendRaw(t, port, upgrade + requestBytes('GET /')), [200]);
  }
});

test('what comes behind an Upgrade while its answer is awaited is not served either', async (t) => {
  const events = new EventEmitter();
  let posts = 0;
  class Slow extends RequestHandler {
    override async doGet() {
      await once(events, 'release');
      return 'slow';
    }
    override doPost() {
      return ++posts;
    }
  }
  const { port, server } = await listen(t, { '/': Slow });
  const connection = await Connection.open(t, port);
  for (const bytes of [requestBytes('GET /', ['Connection: Upgrade', 'Upgrade: websocket']), requestBytes('POST /')]) {
    const arrived = within('the request arrived', once(server, 'request'));
    connection.send(bytes);
    await arrived;
  }
  events.emit('release');
  soundAnswers(await connection.untilClosed(), [200]);
  assert.equal(posts, 0);
});

for (const path of ['/', '/later']) {
  test(`a GET of ${path} with garbage or a CONNECT behind it is answered first`, async (t) => {
    const { port } = await listen(t, routes);
    const get = requestBytes(`GET ${path}`);
    soundAnswers(await sendRaw(t, port, `${get}garbage\r\n\r\n`), [200, 400]);
    soundAnswers(await sendRaw(t, port, `${get}${get}garbage\r\n\r\n`), [200, 200, 400]);
    soundAnswers(await sendRaw(t, port, `${get}${get}CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n`), [200, 200, 405]);
  });
}

for (const [what, first, status] of [
  ['the client wished to be', requestBytes('GET /', ['Connection: close']), 200],
  ['the server made', 'GET / HTTP/1.1\r\n\r\n', 400],
] as const) {
  for (const rest of ['no request', requestBytes('GET /'), requestBytes('CONNECT example.com:443')]) {
    const shown = JSON.stringify(rest.split('\r\n', 1)[0]);
    test(`an answer that ${what} the last is the last, even if its packet goes on with ${shown}`, async (t) => {
      const { port } = await listen(t, routes);
      const [answer] = soundAnswers(await sendRaw(t, port, first + rest), [status]);
      assert.equal(answer!.headers.get('connection'), 'close');
    });
  }
}

test('pipelined requests are answered in their order, whichever is ready first', async (t) => {
  const { port } = await listen(t, routes);
  const [now, later] = [requestBytes('GET /'), requestBytes('GET /later')];
  const last = requestBytes('GET /', ['Connection: close']);
  const received = await sendRaw(t, port, later + now + later + last);
  const answers = soundAnswers(received, [200, 200, 200, 200]);
  assert.deepEqual(answers.map(({ body }) => body === '"later"'), [true, false, true, false]);
});

for (const log of ['json', 'text'] as const) {
  test(`no control character of a request reaches the log: log '${log}'`, async (t) => {
    const server = new ServerProcess(t, { log });
    const port = await server.port();
    const controls = Array.from({ length: 160 }, (_, code) => String.fromCharCode(code))
      .filter((character) => /[\x00-\x1f\x7f-\x9f]/.test(character));
    await Promise.all(controls.map(async (control) => {
      await sendRaw(t, port, `GET /${control} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
      await sendRaw(t, port, `GET / HTTP/1.1\r\nHost: ${control}\r\nConnection: close\r\n\r\n`);
      await sendRaw(t, port, requestBytes('GET /', [`User-Agent: ${control}`, 'Connection: close']));
    }));
    const message = JSON.stringify(controls.filter((control) => control !== '\n').join(''));
    const headers = [
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(message)}`,
      'Connection: close',
    ];
    soundAnswers(await sendRaw(t, port, Buffer.from(requestBytes('POST /throw', headers, message))), [500]);
    server.child.kill('SIGTERM');
    await server.ended();
    const written = server.output + server.errors;
    assert.doesNotMatch(written, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    for (const escape of ['\\u001b', '\\u007f', '\\u009b']) assert.ok(written.includes(escape));
    if (log === 'json') for (const line of written.trim().split('\n')) assert.ok(JSON.parse(line).time);
  });
}
