import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';
import { routes } from './api.ts';
import { app, explain, explained, listenForeign, npmRunExplain } from './explain-command.ts';
import { selfSigned } from './self-signed.ts';
import { serve } from './serve.ts';

const local = 'http://localhost:5173';

/** Returns a handler class that counts the calls of its methods. */
function counter() {
  return class Counter extends RequestHandler {
    static runs = 0;
    override doPost() {
      Counter.runs++;
    }
    override doPut() {
      Counter.runs++;
    }
  };
}

test('shows the requests and their reasons, the responses, the verdict and the step', async (t) => {
  const { url } = await listen(t, routes);
  const options = [`${url}/notes/1`, '--origin', local, '--method', 'PUT', '--header', 'x-token', '--credentials'];
  const { code, output, errors } = await npmRunExplain(options);
  assert.equal(errors, '');
  assert.equal(code, 1);
  const reason = [
    '\\(a "preflight"\\), because the method PUT is not',
    'GET, HEAD or POST, and a page may not send x-token to another origin',
  ];
  assert.match(output, new RegExp(reason.join('\n   ')));
  const preflight = [
    '> OPTIONS http.*/notes/1',
    '> Access-Control-Request-Method: PUT',
    '> Access-Control-Request-Headers: x-token',
    '> Origin: http://localhost:5173\n',
  ];
  assert.match(output, new RegExp(preflight.join('\n   ')));
  assert.match(output, /< 204 No Content\n   < Access-Control-Allow-Origin: \*\n/);
  assert.match(output, /^BLOCKED  .*any origin \(\*\)/ms);
  assert.match(output, /Fetch, CORS check, step 4/);
});

test('prints the transcript of the README', async (t) => {
  const readme = await readFile('scripts/cors/README.md', 'utf8');
  const [, commandLine, shown] = /^\$ npm run cors:explain -- ([^]*?)\n\n([^]*?)\n```$/m.exec(readme)!;
  const { port } = await listen(t, routes);
  const { output } = await explain(commandLine!.replace(':8000', `:${port}`).split(/[\s\\]+/));
  assert.equal(output.replaceAll(`:${port}`, ':8000').trimEnd(), shown);
});

test('lists which headers of an allowed response the page can read', async (t) => {
  const headers = { 'Access-Control-Allow-Origin': '*', 'X-A': '1' };
  const url = await listenForeign(t, (_request, response) => response.writeHead(200, headers).end());
  const { code, text } = await explained(url);
  assert.equal(code, 0);
  const expected =
    'The page receives the response \\(status 200\\)\\. ' +
    'The page can read the status, the body, and these headers: none\\. ' +
    'It cannot read these headers: .*x-a';
  assert.match(text, new RegExp(`ALLOWED ${expected}`));
});

test('sends a request that could change data only with --send', async (t) => {
  const Counter = counter();
  const { url } = await listen(t, { '/': Counter });
  const asked = await explained(url, '--method', 'PUT');
  assert.equal(asked.code, 0);
  assert.match(asked.text, /ALLOWED .* It was not sent, because it could change data: add --send/);
  assert.equal(Counter.runs, 0);
  const sent = await explained(url, '--method', 'PUT', '--send');
  assert.equal(sent.code, 0);
  assert.match(sent.text, /The page receives the response \(status 204\)/);
  assert.equal(Counter.runs, 1);
});

test('reports no verdict for a POST without preflight, unless --send is given', async (t) => {
  const Counter = counter();
  const { url, server } = await listen(t, { '/': Counter });
  let requests = 0;
  server.on('request', () => requests++);
  const { code, text } = await explained(url, '--method', 'POST', '--body', 'hello');
  assert.equal(code, 2);
  assert.match(text, /NOT SENT .* without a preflight.* Add --send/);
  assert.equal(requests, 0);
  assert.equal((await explained(url, '--method', 'POST', '--body', 'hello', '--send')).code, 0);
  assert.equal(Counter.runs, 1);
});

test('warns that the server may have processed a request whose response is blocked', async (t) => {
  const { url } = await listen(t, routes);
  const warning = /The request did reach the server, which may have processed it/;
  const processed = await explained(`${url}/notes`, '--origin', local, '--credentials');
  assert.match(processed.text, warning);
  const unknown = await explained(`${url}/nowhere`, '--origin', local, '--credentials');
  const { url: closed } = await listen(t, routes, { cors: { origins: [app] } });
  const denied = await explained(closed, '--origin', local, '--method', 'POST', '--body', 'hello', '--send');
  for (const [status, { code, text }] of [[404, unknown], [403, denied]] as const) {
    assert.equal(code, 1);
    assert.match(text, new RegExp(`< ${status} .*BLOCKED`));
    assert.doesNotMatch(text, warning);
  }
});

test('sends the request as the page would', async (t) => {
  class Echo extends RequestHandler {
    override async doPost() {
      const { origin, 'x-token': token } = this.request.headers;
      throw new HttpError(400, JSON.stringify([origin, token, await this.readJson()]));
    }
  }
  const { url } = await listen(t, { '/': Echo }, { cors: { origins: '*', allowedHeaders: '*' } });
  const headers = ['--header', 'x-token: a:b', '--header', 'content-type'];
  const options = [url, '--origin', app, '--method', 'post', ...headers, '--body', '{"ü":1}', '--send'];
  const { output } = await explained(...options);
  assert.match(output, /< "\["https:\/\/203\.0\.113\.7","a:b",\{"ü":1\}\]"\n/);
});

test('escapes terminal control sequences in server output', async (t) => {
  class Coloured extends RequestHandler {
    override doGet() {
      throw new HttpError(400, '\x1b[31mred\u009b');
    }
  }
  const { url } = await listen(t, { '/': Coloured });
  const { output } = await explained(url);
  assert.match(output, /"\\x1b\[31mred\\x9b"/);
  assert.doesNotMatch(output, /[\x1b\u009b]/);
});

test('prints the page, the exchanges, the verdict and the changes for --json', async (t) => {
  const { url } = await listen(t, routes);
  const { code, output } = await explained(`${url}/`, '--origin', local, '--method', 'DELETE', '--json');
  assert.equal(code, 1);
  const { page, allowed, sent, verdict, changes, isTemplate } = JSON.parse(output);
  assert.deepEqual(page, { url: `${url}/`, origin: local, method: 'DELETE', headers: [] });
  assert.equal(allowed, false);
  assert.equal(sent, false);
  assert.equal(verdict.exchanges[0].response.status, 204);
  assert.equal(verdict.blocked.reason, 'method-not-allowed');
  assert.equal(changes[0].code, 'add doDelete to the class of / in src/routes.ts');
  assert.equal(isTemplate, true);
});

test('shows only the first and the last of many redirects', async (t) => {
  const url = await listenForeign(t, ({ url = '/' }, response) => {
    const next = Number(url.slice(1)) + 1;
    response.writeHead(302, { 'Access-Control-Allow-Origin': '*', Location: `/${next}` }).end();
  });
  const { code, text, output } = await explained(`${url}/1`);
  assert.equal(code, 1);
  assert.deepEqual([...output.matchAll(/^   > GET .*\/(\d+)$/gm)].map(([, path]) => path), ['1', '2', '3', '21']);
  assert.match(text, /… 17 more like these … 21\. The browser sends/);
  assert.match(text, /BLOCKED A browser follows no more than 20 redirects\..*usually a loop/);
});

// ---- No response ----

test('reports a response that switches to another protocol', async (t) => {
  const head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n';
  const { code, errors } = await explain([await listenForeign(t, ({ socket }) => void socket.write(head))]);
  assert.match(errors, /^No response to GET .*: the connection was closed without a response\.\n$/);
  assert.equal(code, 2);
});

test('escapes characters that control a terminal: --json', async (t) => {
  const headers = { 'Access-Control-Allow-Origin': '*', 'X-A': '\x9b2J' };
  const url = await listenForeign(t, (_request, response) => response.writeHead(200, headers).end());
  const { output } = await explain([url, '--json']);
  assert.match(output, /"\\u009b2J"/);
  assert.doesNotMatch(output, /\x9b/);
});

test('reports an unreachable server on one line, and exits with 2', async (t) => {
  const { url, server } = await listen(t, routes);
  server.close();
  await once(server, 'close');
  const { code, output, errors } = await npmRunExplain([url]);
  assert.equal(code, 2);
  assert.equal(output, '');
  const expected = `^No response to GET ${url}/: nothing is listening there\\. Start the server.*\n$`;
  assert.match(errors, new RegExp(expected));
});

test('keeps the earlier exchanges if a later request gets no response', async (t) => {
  const { url: nowhere, server } = await listen(t, routes);
  server.close();
  await once(server, 'close');
  const url = await listenForeign(t, (_request, response) =>
    response.writeHead(302, { 'Access-Control-Allow-Origin': '*', Location: `${nowhere}/there` }).end());
  const { code, text } = await explained(`${url}/here`);
  assert.equal(code, 2);
  assert.match(
    text,
    /1\. The browser sends the GET request.*\/here .*< 302 Found.*2\. The browser sends the GET request/,
  );
  assert.match(text, new RegExp(`NO RESPONSE No response to GET ${nowhere}/there: nothing is listening there\\.`));
  const resetting = await listenForeign(t, (request, response) => {
    if (request.method !== 'OPTIONS') return request.socket.destroy();
    response.writeHead(204, { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Methods': 'PUT' }).end();
    return undefined;
  });
  const sent = await explained(resetting, '--method', 'PUT', '--send');
  assert.equal(sent.code, 2);
  assert.match(sent.text, /< 204 No Content.*NO RESPONSE No response to PUT .*: the connection was reset\./);
  const asked = await explain([await listenForeign(t, (request) => request.socket.destroy()), '--method', 'PUT']);
  assert.match(asked.errors, /^No response to the preflight, OPTIONS .*: the connection was reset\./);
});

test('reports https: on a plain http: port', async (t) => {
  const { url } = await listen(t, routes);
  const { code, errors } = await explain([url.replace('http:', 'https:')]);
  assert.equal(code, 2);
  assert.match(errors, /: this port does not speak https:\. Write http:\/\/ instead/);
});

test('reports an untrusted certificate, and how to accept it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cors-explain-'));
  t.after(() => rm(folder, { recursive: true }));
  const server = createServer(selfSigned, (_request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*').end();
  });
  const url = `https://localhost:${await serve(t, server)}`;
  const { code, errors } = await explain([url]);
  assert.equal(code, 2);
  assert.match(errors, /: its certificate is self-signed, .* NODE_EXTRA_CA_CERTS=certificate\.pem/);
  const certificate = join(folder, 'certificate.pem');
  await writeFile(certificate, selfSigned.cert);
  const accepted = await npmRunExplain([url], { NODE_EXTRA_CA_CERTS: certificate });
  assert.equal(accepted.code, 0, accepted.errors);
});

// ---- Usage ----

test('reports wrong usage on one line, and exits with 2', async () => {
  const wrong: [commandLine: string[], advice: RegExp][] = [
    [[], /^Write one URL\. .*npm run cors:explain -- http:\/\/localhost:8000\/notes /],
    [['localhost:8000/notes'], /write http:\/\/localhost:8000\/notes$/],
    [['ftp://example.com'], /write one such as http:/],
    [['http://localhost:8000', 'http://localhost:8001'], /Write one URL/],
    [['http://localhost:8000', '--origin', 'app.example.com'], /write https:\/\/app\.example\.com$/],
    [['http://localhost:8000', '--origin', 'https://App.example.com:443/'], /write https:\/\/app\.example\.com$/],
    [['http://localhost:8000', '--origin', 'file:///x.html'], /local file is null, so use --origin null$/],
    [['http://localhost:8000', '--orgin', app], /'--orgin' \(--help shows the options\)/],
    [['http://localhost:8000', '--method'], /--help shows the options/],
    [['http://localhost:8000', '--header', 'cookie: a=1'],
      /cookie: only the browser can set this header.*Leave it out/],
  ];
  for (const [commandLine, advice] of wrong) {
    const { code, output, errors } = await explain(commandLine);
    assert.equal(code, 2);
    assert.equal(output, '');
    assert.match(errors, /^[^\n]+\n$/);
    assert.match(errors.trimEnd(), advice);
  }
});

test('prints the options for --help, and exits with 0', async () => {
  const { code, output } = await explain(['--help']);
  assert.equal(code, 0);
  for (const option of ['origin', 'method', 'header', 'body', 'credentials', 'send', 'json']) {
    assert.match(output, new RegExp(`^  --${option} `, 'm'));
  }
});
