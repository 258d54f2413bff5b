import assert from 'node:assert/strict';
import type { OutgoingHttpHeaders } from 'node:http';
import { type TestContext, test } from 'node:test';
import { listen } from '../listen.ts';
import { routes } from './api.ts';
import { app, explained, listenForeign } from './explain-command.ts';
import { startFixable } from './fixable-server.ts';

/** Follows the advice literally, once, and asserts that the request is then allowed. */
async function assertFixed(t: TestContext, headers: OutgoingHttpHeaders, options: string[]): Promise<string> {
  const { url, follow } = await startFixable(t, headers);
  const before = await explained(url, ...options);
  assert.equal(before.code, 1, before.text);
  follow(before.text);
  const after = await explained(url, ...options);
  assert.equal(after.code, 0, after.text);
  return before.text;
}

test('lists everything that a server without CORS lacks, and no variables', async (t) => {
  const url = await listenForeign(t, (_request, response) => response.writeHead(404).end());
  const { code, text } = await explained(`${url}/things`, '--origin', app, '--method', 'PUT', '--header', 'x-token');
  assert.equal(code, 1);
  assert.match(text, /- Send "Access-Control-Allow-Origin: https:\/\/203\.0\.113\.7" with every response/);
  assert.match(text, /- Respond to the preflight, OPTIONS \/things, with status 204/);
  assert.match(text, /- Allow PUT in the preflight response: "Access-Control-Allow-Methods: PUT"/);
  assert.match(text, /- Allow x-token in the preflight response: "Access-Control-Allow-Headers: x-token"/);
  assert.match(text, /The responses do not show that this server is built from this template/);
  assert.doesNotMatch(text, /CORS_|routes\.ts/);
});

test('suggests headers that make any server allow the page', async (t) => {
  await assertFixed(t, {}, ['--method', 'DELETE', '--header', 'authorization', '--credentials', '--send']);
});

test('suggests only Access-Control-Allow-Credentials if nothing else is missing', async (t) => {
  const text = await assertFixed(t, { 'Access-Control-Allow-Origin': 'http://localhost:5173' }, ['--credentials']);
  assert.match(text, /- Send "Access-Control-Allow-Credentials: true" with every response/);
});

test('replaces a lower-case method in the list by the upper-case one', async (t) => {
  const headers = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Methods': 'get, put' };
  const text = await assertFixed(t, headers, ['--method', 'put']);
  assert.match(text, /"Access-Control-Allow-Methods: get, PUT"/);
});

test('suggests the upper-case method to the page and to the server', async (t) => {
  const { url } = await listen(t, routes);
  const { code, text } = await explained(`${url}/nowhere`, '--method', 'patch');
  assert.equal(code, 1);
  assert.match(text, /Write method: 'PATCH' in the page's fetch\(\)/);
  const { url: other, follow } = await startFixable(t, { 'Access-Control-Allow-Origin': '*' });
  follow((await explained(other, '--method', 'patch')).text);
  assert.equal((await explained(other, '--method', 'PATCH')).code, 0);
});

test('suggests omitting a list that contains no valid name', async (t) => {
  const headers: OutgoingHttpHeaders = {
    'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Methods': 'PUT', 'Access-Control-Allow-Headers': '[]',
  };
  const { url } = await startFixable(t, headers);
  const before = await explained(url, '--method', 'PUT');
  assert.equal(before.code, 1);
  assert.match(before.text, /- Leave Access-Control-Allow-Headers out of the preflight response/);
  delete headers['Access-Control-Allow-Headers'];
  assert.equal((await explained(url, '--method', 'PUT')).code, 0);
});

test('gives one suggestion for each list', async (t) => {
  for (const list of ['[]', 'x-other; x-more', 'x-other, [x]']) {
    const headers = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': list };
    const text = await assertFixed(t, headers, ['--header', 'x-token']);
    // In the response, in the error and in the advice.
    assert.equal(text.match(/Access-Control-Allow-Headers: [^"]*"/g)?.length, 3, text);
    assert.doesNotMatch(text, /Leave Access-Control/);
  }
});

test('suggests calling the final address instead of allowing null', async (t) => {
  const corsHeaders = { 'Access-Control-Allow-Origin': app, Vary: 'Origin' };
  const final = await listenForeign(t, (_request, response) => response.writeHead(200, corsHeaders).end());
  const redirect = { 'Access-Control-Allow-Origin': '*', Location: `${final}/there` };
  const url = await listenForeign(t, (_request, response) => response.writeHead(302, redirect).end());
  const { code, text } = await explained(url, '--origin', app);
  assert.equal(code, 1);
  assert.match(text, new RegExp(`- Call ${final}/there directly`));
  assert.doesNotMatch(text, /Send "/);
  assert.equal((await explained(`${final}/there`, '--origin', app)).code, 0);
});

test('suggests the final address without the password of the Location', async (t) => {
  const url = await listenForeign(t, (request, response) => {
    if (request.url === '/there/') response.writeHead(200, { 'Access-Control-Allow-Origin': '*' }).end();
    else response.writeHead(301, { Location: '//me:pw@' + request.headers.host + '/there/' }).end();
  });
  const { code, text } = await explained(`${url}/there`);
  assert.equal(code, 1);
  assert.match(text, new RegExp(`Or call ${url}/there/ directly`));
  assert.equal((await explained(`${url}/there/`)).code, 0);
});

test('suggests removing the password from a Location', async (t) => {
  const url = await listenForeign(t, (request, response) => {
    const location = `http://me:pw@${request.headers.host}/there`;
    response.writeHead(302, { 'Access-Control-Allow-Origin': '*', Location: location }).end();
  });
  const { code, text } = await explained(url);
  assert.equal(code, 1);
  assert.match(text, /- Remove the user name and password from the Location/);
});

test('explains that Access-Control-Expose-Headers: * exposes nothing with cookies', async (t) => {
  const headers = {
    'Access-Control-Allow-Origin': app, 'Access-Control-Allow-Credentials': 'true', Vary: 'Origin',
    'Access-Control-Expose-Headers': '*', 'X-Total-Count': '1',
  };
  const { url, follow } = await startFixable(t, headers);
  const before = await explained(url, '--origin', app, '--credentials');
  assert.match(
    before.text,
    /send "Access-Control-Expose-Headers: x-total-count"\. For requests with credentials, "\*" exposes nothing/,
  );
  follow(before.text);
  assert.match((await explained(url, '--origin', app, '--credentials')).text, /The page can read [^.]*x-total-count/);
});

test('warns about caches if Vary: Origin is missing', async (t) => {
  const { url, follow } = await startFixable(t, { 'Access-Control-Allow-Origin': app, 'X-A': '1' });
  const before = await explained(url, '--origin', app);
  assert.equal(before.code, 0);
  assert.match(
    before.text,
    /Worth knowing.*- Send "Vary: Origin" with every response, unless .* a cache may give this response/,
  );
  follow(before.text);
  assert.doesNotMatch((await explained(url, '--origin', app)).text, /a cache may/);
});

test('suggests listing authorization by name if only * allows it', async (t) => {
  const headers = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': '*' };
  const { url, follow } = await startFixable(t, headers);
  const before = await explained(url, '--header', 'authorization');
  assert.equal(before.code, 0);
  assert.match(
    before.text,
    /ALLOWED FOR NOW .*Chrome and Firefox still accept it.*CORS-preflight fetch, step 7\.6/,
  );
  follow(before.text);
  assert.equal(headers['Access-Control-Allow-Headers'], '*, authorization');
  const after = await explained(url, '--header', 'authorization');
  assert.match(after.text, /ALLOWED The page receives/);
});

test('suggests only to remove a repeated Access-Control-Allow-Origin', async (t) => {
  const once = ['Access-Control-Allow-Origin', app, 'Access-Control-Allow-Credentials', 'true', 'Vary', 'Origin'];
  const url = await listenForeign(t, (_request, response) => response.writeHead(200, [...once, ...once]).end());
  const { code, output } = await explained(url, '--origin', app, '--credentials');
  assert.equal(code, 1);
  const [, advice] = output.split('What to change\n');
  assert.match(advice!, /^- Send Access-Control-Allow-Origin only once: it occurs 2 times [^-]*a proxy in front/);
  assert.equal(advice!.match(/^- Send/gm)?.length, 1, output);
});

test('suggests the right origin if a repeated one is wrong', async (t) => {
  const other = ['Access-Control-Allow-Origin', 'https://app.example.com'];
  const url = await listenForeign(t, (_request, response) => response.writeHead(200, [...other, ...other]).end());
  const { text } = await explained(url, '--origin', app);
  assert.match(text, new RegExp(`only once.* - Send "Access-Control-Allow-Origin: ${app}" instead of "https://app`));
});

test('suggests leaving out a header that belongs in the response', async (t) => {
  const { url } = await listen(t, routes);
  const options = ['--header', 'access-control-allow-origin', '--header', 'x-other'];
  const { text } = await explained(`${url}/notes`, ...options);
  assert.match(text, /- Leave access-control-allow-origin out of the headers of fetch\(\)/);
  assert.doesNotMatch(text, /CORS_ALLOWED_HEADERS=[^ ]*access-control/);
});
