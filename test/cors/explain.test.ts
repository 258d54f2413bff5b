import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HttpError, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';
import { routes } from './api.ts';
import { app, explain, explained, listenForeign, npmRunExplain } from './explain-command.ts';
import { selfSigned } from './self-signed.ts';

const local = 'http://localhost:5173';

/** A handler that counts how often its methods run. */
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

test(
  'it shows what the browser sends and why, what comes back, the verdict and the step of the standard',
  async (t) => {
    const { url } = await listen(t, routes);
    const question = [`${url}/notes/1`, '--origin', local, '--method', 'PUT', '--header', 'x-token', '--credentials'];
    const { code, output, errors } = await npmRunExplain(question);
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
  },
);

test('what the README shows is what it prints', async (t) => {
  const readme = await readFile('scripts/cors/README.md', 'utf8');
  const [, commandLine, shown] = /^\$ npm run cors:explain -- ([^]*?)\n\n([^]*?)\n```$/m.exec(readme)!;
  const { port } = await listen(t, routes);
  const { output } = await explain(commandLine!.replace(':8000', `:${port}`).split(/[\s\\]+/));
  assert.equal(output.replaceAll(`:${port}`, ':8000').trimEnd(), shown);
});

test('of an answer that the page gets, it says what of it the page can read', async (t) => {
  const headers = { 'Access-Control-Allow-Origin': '*', 'X-A': '1' };
  const url = await listenForeign(t, (_request, response) => response.writeHead(200, headers).end());
  const { code, text } = await explained(url);
  assert.equal(code, 0);
  const told =
    'The page gets the answer \\(status 200\\)\\. The page can read the status, the body, and these headers: none\\. ' +
    'It cannot read these headers: .*x-a';
  assert.match(text, new RegExp(`ALLOWED ${told}`));
});

test('a request that could change data is sent only with --send', async (t) => {
  const Counter = counter();
  const { url } = await listen(t, { '/': Counter });
  const asked = await explained(url, '--method', 'PUT');
  assert.equal(asked.code, 0);
  assert.match(asked.text, /ALLOWED .* It was not sent, because it could change data: add --send/);
  assert.equal(Counter.runs, 0);
  const sent = await explained(url, '--method', 'PUT', '--send');
  assert.equal(sent.code, 0);
  assert.match(sent.text, /The page gets the answer \(status 204\)/);
  assert.equal(Counter.runs, 1);
});

test('a POST that needs no preflight is not sent without --send either, and so there is no verdict', async (t) => {
  const Counter = counter();
  const { url, server } = await listen(t, { '/': Counter });
  let requests = 0;
  server.on('request', () => requests++);
  const { code, text } = await explained(url, '--method', 'POST', '--body', 'hello');
  assert.equal(code, 2);
  assert.match(text, /NOT SENT .* without asking first.* Add --send/);
  assert.equal(requests, 0);
  assert.equal((await explained(url, '--method', 'POST', '--body', 'hello', '--send')).code, 0);
  assert.equal(Counter.runs, 1);
});

test('of a blocked answer, it says that the server may have acted, unless no handler can have run', async (t) => {
  const { url } = await listen(t, routes);
  const mayHaveActed = /The request did reach the server, which may have acted on it/;
  const acted = await explained(`${url}/notes`, '--origin', local, '--credentials');
  assert.match(acted.text, mayHaveActed);
  const unknown = await explained(`${url}/nowhere`, '--origin', local, '--credentials');
  const { url: closed } = await listen(t, routes, { cors: { origins: [app] } });
  const refused = await explained(closed, '--origin', local, '--method', 'POST', '--body', 'hello', '--send');
  for (const [status, { code, text }] of [[404, unknown], [403, refused]] as const) {
    assert.equal(code, 1);
    assert.match(text, new RegExp(`< ${status} .*BLOCKED`));
    assert.doesNotMatch(text, mayHaveActed);
  }
});

test('the request goes out as the page would send it', async (t) => {
  class Echo extends RequestHandler {
    override async doPost() {
      const { origin, 'x-token': token } = this.request.headers;
      throw new HttpError(400, JSON.stringify([origin, token, await this.readJson()]));
    }
  }
  const { url } = await listen(t, { '/': Echo }, { cors: { origins: '*', allowedHeaders: '*' } });
  const headers = ['--header', 'x-token: a:b', '--header', 'content-type'];
  const question = [url, '--origin', app, '--method', 'post', ...headers, '--body', '{"ü":1}', '--send'];
  const { output } = await explained(...question);
  assert.match(output, /< "\["https:\/\/203\.0\.113\.7","a:b",\{"ü":1\}\]"\n/);
});

test('what a server says cannot steer the terminal', async (t) => {
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

test('--json gives programs the question, the dialogue, the verdict and the changes', async (t) => {
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

test('of many redirects it shows the first and the last', async (t) => {
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

// ---- No answer ----

test('a server that cannot be reached is named in one line, and the exit code is 2', async (t) => {
  const { url, server } = await listen(t, routes);
  server.close();
  await once(server, 'close');
  const { code, output, errors } = await npmRunExplain([url]);
  assert.equal(code, 2);
  assert.equal(output, '');
  const told = `^No answer came to GET ${url}/: nothing is listening there\\. Start the server.*\n$`;
  assert.match(errors, new RegExp(told));
});

test(
  'where an answer stays out later, the dialogue so far is kept, and the request is named that had none',
  async (t) => {
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
    assert.match(text, new RegExp(`NO ANSWER No answer came to GET ${nowhere}/there: nothing is listening there\\.`));
    const cut = await listenForeign(t, (request, response) => {
      if (request.method !== 'OPTIONS') return request.socket.destroy();
      response.writeHead(204, { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Methods': 'PUT' }).end();
      return undefined;
    });
    const sent = await explained(cut, '--method', 'PUT', '--send');
    assert.equal(sent.code, 2);
    assert.match(sent.text, /< 204 No Content.*NO ANSWER No answer came to PUT .*: the connection was cut\./);
    const asked = await explain([await listenForeign(t, (request) => request.socket.destroy()), '--method', 'PUT']);
    assert.match(asked.errors, /^No answer came to the preflight, OPTIONS .*: the connection was cut\./);
  },
);

test('https: to a port that speaks http: is told from a server that does not answer', async (t) => {
  const { url } = await listen(t, routes);
  const { code, errors } = await explain([url.replace('http:', 'https:')]);
  assert.equal(code, 2);
  assert.match(errors, /: it does not speak https: there\. Write http:\/\/ instead/);
});

test(
  'a certificate that no authority signed is named, and with the variable that it names the server is asked',
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'cors-explain-'));
    t.after(() => rm(folder, { recursive: true }));
    const server = createServer(selfSigned, (_request, response) => {
      response.setHeader('Access-Control-Allow-Origin', '*').end();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `https://localhost:${(server.address() as AddressInfo).port}`;
    const { code, errors } = await explain([url]);
    assert.equal(code, 2);
    assert.match(errors, /: its certificate is self-signed, .* NODE_EXTRA_CA_CERTS=certificate\.pem/);
    const certificate = join(folder, 'certificate.pem');
    await writeFile(certificate, selfSigned.cert);
    const accepted = await npmRunExplain([url], { NODE_EXTRA_CA_CERTS: certificate });
    assert.equal(accepted.code, 0, accepted.errors);
  },
);

// ---- Usage ----

test('bad usage is answered in one line that says what to write, and the exit code is 2', async () => {
  const slips: [commandLine: string[], advice: RegExp][] = [
    [[], /write one url, such as http:\/\/localhost:8000\/notes/i],
    [['localhost:8000/notes'], /write http:\/\/localhost:8000\/notes$/],
    [['ftp://example.com'], /write one such as http:/],
    [['http://localhost:8000', 'http://localhost:8001'], /Write one URL/],
    [['http://localhost:8000', '--origin', 'app.example.com'], /write https:\/\/app\.example\.com$/],
    [['http://localhost:8000', '--origin', 'https://App.example.com:443/'], /write https:\/\/app\.example\.com$/],
    [['http://localhost:8000', '--origin', 'file:///x.html'], /local file is null, so use --origin null$/],
    [['http://localhost:8000', '--orgin', app], /'--orgin' \(--help shows the options\)/],
    [['http://localhost:8000', '--method'], /--help shows the options/],
    [['http://localhost:8000', '--header', 'cookie: a=1'], /cookie: no page can set it.*Leave it out/],
  ];
  for (const [commandLine, advice] of slips) {
    const { code, output, errors } = await explain(commandLine);
    assert.equal(code, 2);
    assert.equal(output, '');
    assert.match(errors, /^[^\n]+\n$/);
    assert.match(errors.trimEnd(), advice);
  }
});

test('--help shows the options, and the exit code is 0', async () => {
  const { code, output } = await explain(['--help']);
  assert.equal(code, 0);
  for (const option of ['origin', 'method', 'header', 'body', 'credentials', 'send', 'json']) {
    assert.match(output, new RegExp(`^  --${option} `, 'm'));
  }
});
