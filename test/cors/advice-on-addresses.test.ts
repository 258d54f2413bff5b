import assert from 'node:assert/strict';
import { test } from 'node:test';
import { app, explain, explained } from './explain-command.ts';
import { startFixable } from './fixable-server.ts';

test('explains the permission prompt for a public page that calls this computer', async (t) => {
  const url = (await startFixable(t, { 'Access-Control-Allow-Origin': '*' })).url;
  const { code, text } = await explained(url, '--origin', app);
  assert.equal(code, 0);
  assert.match(text, /ASKS FIRST Chrome and Firefox first ask the user .* \(permission loopback-network\)/);
  assert.match(text, /Permission was denied for this request to access the `loopback` address space/);
  assert.match(text, /open the page on http:\/\/localhost/);
  assert.match((await explained(url, '--origin', 'http://localhost:5173')).text, /ALLOWED The page receives/);
  const blocked = await explained(url, '--origin', app, '--credentials');
  assert.match(blocked.text, /BLOCKED The response .*Worth knowing - Chrome and Firefox first ask the user/);
});

test('quotes Chrome for a public http: page that calls this computer', async (t) => {
  const url = (await startFixable(t, { 'Access-Control-Allow-Origin': '*' })).url;
  const { code, text } = await explained(url, '--origin', app.replace('https:', 'http:'));
  assert.equal(code, 1);
  const quoted =
    'The request client is not a secure context and the resource is in more-private address space `loopback`';
  assert.match(text, new RegExp(`BLOCKED .*${quoted}`));
  assert.match(text, /- Serve the page over https:, so that Chrome asks the user/);
  assert.match((await explained(url, '--origin', app)).text, /ASKS FIRST/);
});

test('suggests another address for mixed content, blocked ports and 0.0.0.0', async () => {
  for (const [url, error, advice] of [
    [
      'http://api.example.invalid/',
      /This request has been blocked; the content must be served over HTTPS/,
      /Serve api\.example\.invalid over https:/,
    ],
    [
      'http://192.168.77.77:8000/',
      /Firefox does not let an https: page .* Chrome does once the user allows it/,
      /open the page on http:\/\/localhost/,
    ],
    ['http://localhost:6000/', /net::ERR_UNSAFE_PORT/, /Run the server on another port/],
    ['http://0.0.0.0:8000/a', /Firefox never calls 0\.0\.0\.0/, /Call http:\/\/localhost:8000\/a instead/],
  ] as const) {
    const { code, text } = await explained(url, '--origin', app);
    assert.equal(code, 1, url);
    assert.match(text, error);
    assert.match(text, advice);
    assert.doesNotMatch(text, /1\. The browser/);
  }
});

test('assumes a local page of another origin without --origin', async (t) => {
  const { url } = await startFixable(t, { 'Access-Control-Allow-Origin': '*' });
  assert.match((await explained(url)).text, /^A page at http:\/\/localhost:5173 calls/);
  assert.match((await explain(['http://localhost:5173/', '--json'])).output, /"origin": "http:\/\/localhost:3000"/);
  const elsewhere = await explain(['http://api.example.invalid:6000/', '--json']);
  assert.match(elsewhere.output, /"origin": "https:\/\/app\.example\.com"/);
});
