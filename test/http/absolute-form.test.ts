import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { requestBytes, sendRaw } from './connection.ts';

const LIMIT = { timeout: 20_000 };

class Echo extends RequestHandler {
  override doGet() {
    return { path: this.path, query: this.query.toString() };
  }
}

const routes = { '/': Echo, '/parts/:name': Echo };
const allowed = { allowedHosts: ['api.example.com'] };

function get(target: string, host: string | undefined): string {
  return `GET ${target} HTTP/1.1\r\n${host === undefined ? '' : `Host: ${host}\r\n`}Connection: close\r\n\r\n`;
}

for (const [target, host] of [
  ['http://127.0.0.1/', 'localhost'],
  ['http://api.example.com/', 'evil.example'],
  ['http://API.Example.com/', 'other.example:80'],
  ['http://api.example.com:8000/', 'api.example.com'],
  ['https://api.example.com', 'evil.example'],
] as const) {
  test(`${target} is served whatever the Host says (RFC 9112, section 3.2.2): ${host}`, LIMIT, async (t) => {
    for (const options of [{}, allowed]) {
      const { port } = await listen(t, routes, options);
      const [answer] = soundAnswers(await sendRaw(t, port, get(target, host)), [200]);
      assert.deepEqual(JSON.parse(answer!.body!), { path: '/', query: '' });
    }
  });
}

test('path and query are those of a target in absolute-form', LIMIT, async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const [target, query] of [['http://api.example.com?a=1', 'a=1'], ['http://api.example.com/?b=2', 'b=2']]) {
    const [answer] = soundAnswers(await sendRaw(t, port, get(target!, 'evil.example')), [200]);
    assert.deepEqual(JSON.parse(answer!.body!), { path: '/', query });
  }
});

test('a target in absolute-form that names another host is answered 421, whatever the Host says', LIMIT, async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const target of [
    'http://evil.example/',
    'http://api.example.com.evil.example/',
    'http://evil.example?api.example.com',
    'https://xapi.example.com/',
  ]) {
    const [answer] = soundAnswers(await sendRaw(t, port, get(target, 'api.example.com')), [421]);
    assert.match(answer!.body!, /ALLOWED_HOSTS|allowedHosts/);
  }
});

test('an authority that is none is refused, whatever the Host says', LIMIT, async (t) => {
  for (const options of [{}, allowed]) {
    const { port } = await listen(t, routes, options);
    for (const target of [
      'http://user@api.example.com/',
      'http://api.example.com:x/',
      'http://api.example.com:80:80/',
      'http://[::1/',
      'http://:80/',
      'http://a,b/',
    ]) {
      const received = await sendRaw(t, port, get(target, 'api.example.com'));
      assert.match(received, /^HTTP\/1\.1 4(?:00|21) /, target);
    }
  }
});

test('a Host that is ill-formed or missing is answered 400 beside a target in absolute-form too', LIMIT, async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const host of [undefined, '', 'a b', 'api.example.com/x', 'api.example.com\r\nHost: api.example.com']) {
    soundAnswers(await sendRaw(t, port, get('http://api.example.com/', host)), [400]);
  }
});

test('a good authority before it does not let a bad one in on the same connection', LIMIT, async (t) => {
  const { port } = await listen(t, routes, allowed);
  const good = 'GET http://api.example.com/ HTTP/1.1\r\nHost: x\r\n\r\n';
  soundAnswers(await sendRaw(t, port, good + get('/', 'x')), [200, 421]);
  soundAnswers(await sendRaw(t, port, good + get('http://evil.example/', 'api.example.com')), [200, 421]);
});

test('a target with a # is answered 400, in every form', LIMIT, async (t) => {
  const { port } = await listen(t, routes);
  for (const target of ['/#', '/#a', '/?a#b', '/parts/a#b', '/none#', 'http://127.0.0.1/#', 'http://127.0.0.1#', '#']) {
    soundAnswers(await sendRaw(t, port, requestBytes(`GET ${target}`)), [400]);
  }
  soundAnswers(await sendRaw(t, port, requestBytes('GET /parts/%23', ['Connection: close'])), [200]);
});

test(
  'a Host that is a literal IP address is answered beside any allowedHosts: no name can be rebound to it',
  LIMIT,
  async (t) => {
    const { port } = await listen(t, routes, allowed);
    for (const host of [
      '127.0.0.1',
      '127.0.0.1:8000',
      '10.1.2.3',
      '[::1]',
      '[::1]:8000',
      '[2001:db8::1]',
      '[::ffff:127.0.0.1]',
    ]) {
      soundAnswers(await sendRaw(t, port, get('/', host)), [200]);
      soundAnswers(await sendRaw(t, port, get(`http://${host}/`, host)), [200]);
    }
  },
);

test('a Host that only looks like an IP address is a name like any other', LIMIT, async (t) => {
  const { port } = await listen(t, routes, allowed);
  for (const host of [
    '127.0.0.1.evil.example',
    '127.0.0.1.',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3',
    '0x7f.0.0.1',
    '127-0-0-1.evil.example',
    '[evil.example]',
    '[1]',
  ]) {
    assert.match(await sendRaw(t, port, get('/', host)), /^HTTP\/1\.1 4(?:21|00) /, host);
  }
});
