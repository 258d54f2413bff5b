import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isForbiddenRequestHeader, normaliseMethod } from '../../scripts/cors/safelists.ts';
import {
  APP, CONSTRUCTOR, FORM, anyOrigin, assertAllowed, assertBlocked, fetching, header, kinds, sent,
} from './simulated-fetch.ts';

test('rejects a URL that is relative, has a password or is not http(s)', async () => {
  assertBlocked(await fetching({ url: '/notes' }), 'invalid-url', `${CONSTRUCTOR} 5.2`);
  assertBlocked(await fetching({ url: 'https://me:pw@api.example.net/' }), 'url-credentials', `${CONSTRUCTOR} 5.3`);
  assertBlocked(await fetching({ url: 'ftp://api.example.net/' }), 'url-scheme', 'main fetch, step 12');
});

test('rejects CONNECT, TRACE and TRACK in any case, and invalid methods', async () => {
  for (const method of ['CONNECT', 'TRACE', 'track']) {
    const verdict = await fetching({ method });
    assertBlocked(verdict, 'forbidden-method', `${CONSTRUCTOR} 25.2`);
    assert.deepEqual(verdict.exchanges, []);
    assert.equal(verdict.blocked?.during, 'page');
    assert.equal(verdict.blocked?.name, method);
  }
  for (const method of ['', 'GET POST', 'DÉLETE']) {
    assertBlocked(await fetching({ method }), 'invalid-method', `${CONSTRUCTOR} 25.2`);
  }
});

test('normalises get to GET, but leaves patch unchanged', async () => {
  for (const method of ['delete', 'Get', 'head', 'options', 'post', 'PuT']) {
    assert.equal(normaliseMethod(method), method.toUpperCase());
  }
  for (const method of ['patch', 'Query', 'PATCH']) assert.equal(normaliseMethod(method), method);
  assert.equal(sent(await fetching({ method: 'post' }, [anyOrigin]), 0).method, 'POST');
});

test('rejects a body with GET or HEAD, and accepts one with POST', async () => {
  assertBlocked(await fetching({ body: '' }), 'body-not-allowed', `${CONSTRUCTOR} 35`);
  assertBlocked(await fetching({ method: 'head', body: 'x' }), 'body-not-allowed', `${CONSTRUCTOR} 35`);
  const verdict = await fetching({ method: 'POST', body: 'x' }, [anyOrigin]);
  assertAllowed(verdict);
  assert.equal(sent(verdict, 0).body, 'x');
});

test('rejects invalid headers, and trims whitespace around a value', async () => {
  for (const pair of [['a b', '1'], ['', '1'], ['x', 'a\nb'], ['x', 'a\0'], ['x', '☃']] as const) {
    assertBlocked(await fetching({ headers: [pair] }), 'invalid-header', 'Headers, validate, step 1');
  }
  assert.equal(header(sent(await fetching({ headers: [['Accept', ' a/b\r\n']] }, [anyOrigin]), 0), 'Accept'), 'a/b');
});

test('drops forbidden request headers silently', async () => {
  const names = ['Cookie', 'HOST', 'Proxy-Authorization', 'Sec-Anything', 'Access-Control-Request-Method', 'TE'];
  const headers = [...names, 'Origin'].map((name) => [name, 'x'] as const);
  const verdict = await fetching({ headers }, [anyOrigin]);
  assertAllowed(verdict);
  assert.deepEqual(kinds(verdict), ['request']);
  assert.equal(header(sent(verdict, 0), 'Origin'), APP);
  for (const name of names) assert.equal(header(sent(verdict, 0), name), undefined, name);
});

test('forbids a method override header only with a forbidden method', () => {
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method-Override', 'PUT, trace']), true);
  assert.equal(isForbiddenRequestHeader(['x-method-override', 'TRACK']), true);
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method', 'DELETE']), false);
  assert.equal(isForbiddenRequestHeader(['X-Other', 'TRACE']), false);
});

test('ignores commas inside the quoted strings of a method override header', () => {
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method', '"a,TRACE,b"']), false);
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method', '"TRACE"']), false);
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method', '"a\\",b" , TRACE']), true);
  assert.equal(isForbiddenRequestHeader(['X-HTTP-Method', 'a,TRACE,"b']), true);
});

test('sends a string body as text/plain unless the page sets Content-Type', async () => {
  const plain = await fetching({ method: 'POST', body: '{}' }, [anyOrigin]);
  assert.equal(header(sent(plain, 0), 'Content-Type'), 'text/plain;charset=UTF-8');
  assert.deepEqual(kinds(plain), ['request']);
  const form = await fetching({ method: 'POST', body: 'a=1', headers: [['content-type', FORM]] }, [anyOrigin]);
  assert.deepEqual(sent(form, 0).headers.filter(([name]) => /content-type/i.test(name)), [['content-type', FORM]]);
});

test('sends Accept: */* unless the page sets Accept', async () => {
  assert.equal(header(sent(await fetching({}, [anyOrigin]), 0), 'Accept'), '*/*');
  const set = sent(await fetching({ headers: [['accept', 'text/csv']] }, [anyOrigin]), 0);
  assert.deepEqual(set.headers.filter(([name]) => /^accept$/i.test(name)), [['accept', 'text/csv']]);
});
