import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type RequestListener, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { readConfig } from '../../src/config.ts';
import { HttpError, RequestHandler } from '../../src/http/index.ts';
import { routes } from '../../src/routes.ts';
import { listen } from '../listen.ts';

const app = 'https://app.example.com';

async function explain(...commandLine: string[]): Promise<{ code: number; output: string; errors: string }> {
  const child = spawn(process.execPath, [...process.execArgv, 'scripts/cors/explain.ts', ...commandLine]);
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (errors += chunk));
  const [code] = await once(child, 'close');
  return { code, output, errors };
}

/** What is explained in running text, without the breaks of its lines. */
async function explained(...commandLine: string[]): Promise<{ code: number; text: string }> {
  const { code, output, errors } = await explain(...commandLine);
  assert.equal(errors, '');
  return { code, text: output.replace(/\s+/g, ' ') };
}

/** A server that is not made from this template. */
async function listenForeign(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What an explanation says to start the server with. */
function environmentIn(output: string): Record<string, string> {
  return Object.fromEntries([...output.matchAll(/^  ([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]));
}

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

test('it shows what the browser sends and why, what comes back, the verdict and the step of the standard', async (t) => {
  const { url } = await listen(t, routes);
  const { code, output, errors } = await explain(`${url}/notes/1`, '--origin', app, '--method', 'PUT', '--header', 'x-token', '--credentials');
  assert.equal(errors, '');
  assert.equal(code, 1);
  assert.match(output, /\(a "preflight"\), because the method PUT is not\n   GET, HEAD or POST, and a page may not send x-token to another origin/);
  assert.match(output, /> OPTIONS http.*\/notes\/1\n   > Access-Control-Request-Method: PUT\n   > Access-Control-Request-Headers: x-token\n   > Origin: https:\/\/app.example.com\n/);
  assert.match(output, /< 204 No Content\n   < Access-Control-Allow-Origin: \*\n/);
  assert.match(output, /^BLOCKED  .*any origin \(\*\)/ms);
  assert.match(output, /Fetch, CORS check, step 4/);
});

test('started with the variables that it names, the server lets the page in', async (t) => {
  const question = ['--origin', app, '--method', 'PUT', '--header', 'x-token', '--header', 'x-other', '--credentials'];
  const before = await explain(`${(await listen(t, routes)).url}/notes/1`, ...question);
  assert.equal(before.code, 1);
  const environment = environmentIn(before.output);
  assert.deepEqual(environment, {
    CORS_ORIGINS: app,
    CORS_CREDENTIALS: 'true',
    CORS_ALLOWED_HEADERS: 'authorization,content-type,x-api-key,x-other,x-token',
  });
  const after = await explain(`${(await listen(t, routes, readConfig(environment, false).server)).url}/notes/1`, ...question);
  assert.equal(after.code, 0, after.output);
});

test('started with the variable that it names, the server lets the page read the headers that were hidden', async (t) => {
  class Located extends RequestHandler {
    override doGet() {
      this.sendHeader('Location', '/1');
      this.sendHeader('X-Total-Count', '1');
    }
  }
  const before = await explain(`${(await listen(t, { '/': Located })).url}/`);
  assert.equal(before.code, 0);
  assert.match(before.output, /^It cannot read: [^.]*location[^.]*x-total-count/m);
  const environment = environmentIn(before.output);
  assert.deepEqual(environment, { CORS_EXPOSED_HEADERS: 'location,x-total-count' });
  const after = await explain(`${(await listen(t, { '/': Located }, readConfig(environment, false).server)).url}/`);
  assert.match(after.output, /^The page can read: [^.]*location[^.]*x-total-count/m);
  assert.doesNotMatch(after.output, /CORS_/);
});

test('of a method that a path lacks, it names the method to add to its class', async (t) => {
  const { url } = await listen(t, routes);
  const { code, text } = await explained(`${url}/notes/1`, '--method', 'PATCH');
  assert.equal(code, 1);
  assert.match(text, /add doPatch to the class of \/notes\/1 in src\/routes\.ts/);
});

test('of a method in small letters, it says to write capitals', async (t) => {
  const { url } = await listen(t, routes);
  const { code, text } = await explained(`${url}/nowhere`, '--method', 'patch');
  assert.equal(code, 1);
  assert.match(text, /Write method: 'PATCH' in the page's fetch\(\)/);
});

test('of a page that is refused, it names CORS_ORIGINS, and guesses at nothing else', async (t) => {
  const { url } = await listen(t, routes, { cors: { origins: ['https://other.example.com'] } });
  const { code, output } = await explain(`${url}/notes/1`, '--origin', app, '--method', 'PUT', '--header', 'x-token', '--credentials');
  assert.equal(code, 1);
  assert.deepEqual(environmentIn(output), { CORS_ORIGINS: app });
});

test('of a Host that the server does not go by, it names ALLOWED_HOSTS', async (t) => {
  const { url } = await listen(t, routes, { allowedHosts: ['api.example.com'] });
  const { code, output } = await explain(`${url.replace('127.0.0.1', 'localhost')}/notes/1`, '--method', 'DELETE');
  assert.equal(code, 1);
  assert.deepEqual(environmentIn(output), { ALLOWED_HOSTS: 'localhost' });
});

test('of a page on a file, it says to serve it, as null can be let in by no list', async (t) => {
  const { url } = await listen(t, routes, { cors: { origins: [app] } });
  const { code, text } = await explained(url, '--origin', 'null');
  assert.equal(code, 1);
  assert.match(text, /Serve it from a web server/);
  assert.doesNotMatch(text, /CORS_ORIGINS=/);
});

test('of a server that knows nothing of CORS, it says all that its answers lack, and names no variable of this template', async (t) => {
  const url = await listenForeign(t, (_request, response) => response.writeHead(404).end());
  const { code, text } = await explained(`${url}/things`, '--origin', app, '--method', 'PUT', '--header', 'x-token');
  assert.equal(code, 1);
  assert.match(text, /- Send "Access-Control-Allow-Origin: https:\/\/app.example.com" with every answer/);
  assert.match(text, /- Answer the preflight, OPTIONS \/things, with status 204/);
  assert.match(text, /- Allow PUT in the answer to the preflight: "Access-Control-Allow-Methods: PUT"/);
  assert.match(text, /- Allow x-token in the answer to the preflight: "Access-Control-Allow-Headers: x-token"/);
  assert.match(text, /Nothing in its answers shows that this server is made from this template/);
  assert.doesNotMatch(text, /CORS_|routes\.ts/);
});

test('a server that is mended as it says, whatever it is made with, lets the page in', async (t) => {
  const headers: Record<string, string> = {};
  const url = await listenForeign(t, (request, response) => response.writeHead(request.method === 'OPTIONS' && headers['Access-Control-Allow-Origin'] ? 204 : 200, headers).end());
  const question = [`${url}/`, '--method', 'DELETE', '--header', 'authorization', '--credentials', '--send'];
  const { code, text } = await explained(...question);
  assert.equal(code, 1);
  for (const [, name, value] of text.matchAll(/"(Access-Control-[\w-]+): ([^"]+)"/g)) headers[name!] = value!;
  const after = await explained(...question);
  assert.equal(after.code, 0, after.text);
});

test('it sees a header that comes twice, and says that two places add it', async (t) => {
  const url = await listenForeign(t, (_request, response) => response.writeHead(200, ['Access-Control-Allow-Origin', app, 'Access-Control-Allow-Origin', app]).end());
  const { code, text } = await explained(url, '--origin', app);
  assert.equal(code, 1);
  assert.match(text, /If the header is there twice, the application and a proxy before it both add it/);
});

test('after a redirect to another site, it says to call the final address, and not to let null in', async (t) => {
  const final = await listenForeign(t, (_request, response) => response.writeHead(200, { 'Access-Control-Allow-Origin': app }).end());
  const url = await listenForeign(t, (_request, response) => response.writeHead(302, { 'Access-Control-Allow-Origin': '*', Location: `${final}/there` }).end());
  const { code, text } = await explained(url, '--origin', app);
  assert.equal(code, 1);
  assert.match(text, new RegExp(`- Call ${final}/there at once`));
  assert.doesNotMatch(text, /Send "/);
});

test('a request that could change something is sent only with --send', async (t) => {
  const Counter = counter();
  const { url } = await listen(t, { '/': Counter });
  const asked = await explained(url, '--method', 'PUT');
  assert.equal(asked.code, 0);
  assert.match(asked.text, /ALLOWED .* It was not sent, because it could change something: add --send/);
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

test('the request goes out as the page would send it', async (t) => {
  class Echo extends RequestHandler {
    override async doPost() {
      const { origin, 'x-token': token } = this.request.headers;
      throw new HttpError(400, JSON.stringify([origin, token, await this.readJson()]));
    }
  }
  const { url } = await listen(t, { '/': Echo }, { cors: { origins: '*', allowedHeaders: '*' } });
  const { output } = await explain(url, '--origin', app, '--method', 'post', '--header', 'x-token: a:b', '--header', 'content-type', '--body', '{"ü":1}', '--send');
  assert.match(output, /< "\["https:\/\/app.example.com","a:b",\{"ü":1\}\]"\n/);
});

test('what a server says cannot steer the terminal', async (t) => {
  class Coloured extends RequestHandler {
    override doGet() {
      throw new HttpError(400, '\x1b[31mred\u009b');
    }
  }
  const { url } = await listen(t, { '/': Coloured });
  const { output } = await explain(url);
  assert.match(output, /"\\x1b\[31mred\\x9b"/);
  assert.doesNotMatch(output, /[\x1b\u009b]/);
});

test('--json gives programs the question, the dialogue, the verdict and the changes', async (t) => {
  const { url } = await listen(t, routes);
  const { code, output, errors } = await explain(`${url}/`, '--origin', app, '--method', 'DELETE', '--json');
  assert.equal(errors, '');
  assert.equal(code, 1);
  const { page, allowed, sent, verdict, changes, isTemplate } = JSON.parse(output);
  assert.deepEqual(page, { url: `${url}/`, origin: app, method: 'DELETE', headers: [] });
  assert.equal(allowed, false);
  assert.equal(sent, false);
  assert.equal(verdict.exchanges[0].response.status, 204);
  assert.equal(verdict.blocked.reason, 'method-not-allowed');
  assert.equal(changes[0].code, 'add doDelete to the class of / in src/routes.ts');
  assert.equal(isTemplate, true);
});

test('a server that cannot be reached is named in one line, and the exit code is 2', async (t) => {
  const { url, server } = await listen(t, routes);
  server.close();
  await once(server, 'close');
  const { code, output, errors } = await explain(url);
  assert.equal(code, 2);
  assert.equal(output, '');
  assert.match(errors, new RegExp(`^No answer came from ${url}/: nothing listens there\\. Start the server.*\n$`));
});

test('bad usage is answered in one line that says what to write, and the exit code is 2', async () => {
  const slips: [commandLine: string[], advice: RegExp][] = [
    [[], /write one url, such as http:\/\/localhost:8000\/notes/i],
    [['localhost:8000/notes'], /write http:\/\/localhost:8000\/notes$/],
    [['ftp://example.com'], /write one such as http:/],
    [['http://localhost:8000', 'http://localhost:8001'], /Write one URL/],
    [['http://localhost:8000', '--origin', 'app.example.com'], /write https:\/\/app\.example\.com$/],
    [['http://localhost:8000', '--origin', 'https://App.example.com:443/'], /write https:\/\/app\.example\.com$/],
    [['http://localhost:8000', '--orgin', app], /'--orgin' \(--help shows the options\)/],
    [['http://localhost:8000', '--method'], /--help shows the options/],
    [['http://localhost:8000', '--header', 'cookie: a=1'], /cookie: no page can set it.*Leave it out/],
  ];
  await Promise.all(
    slips.map(async ([commandLine, advice]) => {
      const { code, output, errors } = await explain(...commandLine);
      assert.equal(code, 2);
      assert.equal(output, '');
      assert.match(errors, /^[^\n]+\n$/);
      assert.match(errors.trimEnd(), advice);
    }),
  );
});

test('--help shows the options, and the exit code is 0', async () => {
  const { code, output } = await explain('--help');
  assert.equal(code, 0);
  for (const option of ['origin', 'method', 'header', 'body', 'credentials', 'send', 'json']) assert.match(output, new RegExp(`^  --${option} `, 'm'));
});
