import assert from 'node:assert/strict';
import type { OutgoingHttpHeaders } from 'node:http';
import { type TestContext, test } from 'node:test';
import { type CorsOptions, type Origin, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';
import { routes } from './api.ts';
import { app, environmentIn, explain, explained, listenForeign } from './explain-command.ts';

/** The policy that a server would have that is started with these variables. */
function policyOf(environment: Record<string, string>): CorsOptions {
  const list = (name: string) => environment[name]?.split(',').filter(Boolean);
  const headers = list('CORS_ALLOWED_HEADERS');
  return {
    origins: (list('CORS_ORIGINS') as Origin[] | undefined) ?? '*',
    credentials: environment['CORS_CREDENTIALS'] === 'true',
    ...(headers && { allowedHeaders: headers }),
    exposedHeaders: list('CORS_EXPOSED_HEADERS') ?? [],
  } as CorsOptions;
}

/** A server whose answers have these headers: what is said of them is done to them. */
async function fixable(t: TestContext, headers: OutgoingHttpHeaders) {
  const url = await listenForeign(t, (request, response) => {
    response.writeHead(request.method === 'OPTIONS' ? 204 : 200, headers).end();
  });
  const follow = (text: string) => {
    for (const [, name, value] of text.matchAll(/"(Access-Control-[\w-]+|Vary): ([^"]+)"/g)) headers[name!] = value!;
  };
  return { url, follow };
}

/** Does literally what is said, once, and shows that the page then gets what it asked for. */
async function assertFixed(t: TestContext, headers: OutgoingHttpHeaders, question: string[]): Promise<string> {
  const { url, follow } = await fixable(t, headers);
  const before = await explained(url, ...question);
  assert.equal(before.code, 1, before.text);
  follow(before.text);
  const after = await explained(url, ...question);
  assert.equal(after.code, 0, after.text);
  return before.text;
}

// ---- Of a server that is made from this template ----

test('started with the variables that it names, the server lets the page in', async (t) => {
  const question = ['--origin', app, '--method', 'PUT', '--header', 'x-token', '--header', 'x-other', '--credentials'];
  const before = await explain([`${(await listen(t, routes)).url}/notes/1`, ...question]);
  assert.equal(before.code, 1);
  const environment = environmentIn(before.output);
  assert.deepEqual(environment, {
    CORS_ORIGINS: app,
    CORS_CREDENTIALS: 'true',
    CORS_ALLOWED_HEADERS: 'authorization,content-type,x-api-key,x-other,x-token',
  });
  const { url } = await listen(t, routes, { cors: policyOf(environment) });
  const after = await explain([`${url}/notes/1`, ...question]);
  assert.equal(after.code, 0, after.output);
});

test(
  'started with the variable that it names, the server lets the page read the headers that were hidden',
  async (t) => {
    class Located extends RequestHandler {
      override doGet() {
        this.sendHeader('Location', '/1');
        this.sendHeader('X-Total-Count', '1');
      }
    }
    const before = await explain([`${(await listen(t, { '/': Located })).url}/`]);
    assert.equal(before.code, 0);
    assert.match(before.output, /^It cannot read these headers: [^.]*location[^.]*x-total-count/m);
    const environment = environmentIn(before.output);
    assert.deepEqual(environment, { CORS_EXPOSED_HEADERS: 'location,x-total-count' });
    const after = await explain([`${(await listen(t, { '/': Located }, { cors: policyOf(environment) })).url}/`]);
    assert.match(after.output, /^The page can read .*: [^.]*location[^.]*x-total-count/m);
    assert.doesNotMatch(after.output, /CORS_/);
  },
);

test('of a method that a path lacks, it names the method to add to its class', async (t) => {
  const { url } = await listen(t, routes);
  const { code, text } = await explained(`${url}/notes/1`, '--method', 'PATCH');
  assert.equal(code, 1);
  assert.match(text, /add doPatch to the class of \/notes\/1 in src\/routes\.ts/);
});

test('of a method that the path has and the policy leaves out, it says to add it to the policy', async (t) => {
  const cors = (methods: string[]): CorsOptions => ({ origins: '*', methods });
  const { url } = await listen(t, routes, { cors: cors(['GET']) });
  const { code, text } = await explained(`${url}/notes/1`, '--method', 'PUT');
  assert.equal(code, 1);
  assert.match(text, /The path itself supports PUT \(see its Allow header\): only the CORS setting omits it/);
  assert.match(text, /add 'PUT' to methods in the cors options/);
  assert.doesNotMatch(text, /doPut/);
  const { url: fixed } = await listen(t, routes, { cors: cors(['GET', 'PUT']) });
  assert.equal((await explained(`${fixed}/notes/1`, '--method', 'PUT')).code, 0);
});

test('of a page that is refused, it names CORS_ORIGINS, and guesses at nothing else', async (t) => {
  const { url } = await listen(t, routes, { cors: { origins: ['https://other.example.com'] } });
  const question = [`${url}/notes/1`, '--origin', app, '--method', 'PUT', '--header', 'x-token', '--credentials'];
  const { code, output } = await explain(question);
  assert.equal(code, 1);
  assert.deepEqual(environmentIn(output), { CORS_ORIGINS: app });
});

test('of a Host that the server does not go by, it names ALLOWED_HOSTS', async (t) => {
  const { url } = await listen(t, routes, { allowedHosts: ['api.example.com'] });
  const { code, output } = await explain([`${url.replace('127.0.0.1', 'localhost')}/notes/1`, '--method', 'DELETE']);
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

// ---- Of any server ----

test(
  'of a server that knows nothing of CORS, it says all that its answers lack, and names no variable of this template',
  async (t) => {
    const url = await listenForeign(t, (_request, response) => response.writeHead(404).end());
    const { code, text } = await explained(`${url}/things`, '--origin', app, '--method', 'PUT', '--header', 'x-token');
    assert.equal(code, 1);
    assert.match(text, /- Send "Access-Control-Allow-Origin: https:\/\/203\.0\.113\.7" with every answer/);
    assert.match(text, /- Answer the preflight, OPTIONS \/things, with status 204/);
    assert.match(text, /- Allow PUT in the preflight response: "Access-Control-Allow-Methods: PUT"/);
    assert.match(text, /- Allow x-token in the preflight response: "Access-Control-Allow-Headers: x-token"/);
    assert.match(text, /Nothing in its answers shows that this server is made from this template/);
    assert.doesNotMatch(text, /CORS_|routes\.ts/);
  },
);

test('a server that is fixed as it says, whatever it is made with, lets the page in', async (t) => {
  await assertFixed(t, {}, ['--method', 'DELETE', '--header', 'authorization', '--credentials', '--send']);
});

test('where only Access-Control-Allow-Credentials is missing, its advice stands by itself', async (t) => {
  const text = await assertFixed(t, { 'Access-Control-Allow-Origin': 'http://localhost:5173' }, ['--credentials']);
  assert.match(text, /- Send "Access-Control-Allow-Credentials: true" with every answer/);
});

test('it sees a header that comes twice, and says that two places add it', async (t) => {
  const twice = ['Access-Control-Allow-Origin', app, 'Access-Control-Allow-Origin', app];
  const url = await listenForeign(t, (_request, response) => response.writeHead(200, twice).end());
  const { code, text } = await explained(url, '--origin', app);
  assert.equal(code, 1);
  assert.match(text, /If the header appears twice, the application and a proxy in front of it both add it/);
});

test('of a method that the server lists in lower case, it says to list only the one in upper case', async (t) => {
  const headers = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Methods': 'get, put' };
  const text = await assertFixed(t, headers, ['--method', 'put']);
  assert.match(text, /"Access-Control-Allow-Methods: get, PUT"/);
});

test('of a method that the page writes in lower case, it says to write upper case, and to allow that', async (t) => {
  const { url } = await listen(t, routes);
  const { code, text } = await explained(`${url}/nowhere`, '--method', 'patch');
  assert.equal(code, 1);
  assert.match(text, /Write method: 'PATCH' in the page's fetch\(\)/);
  const { url: other, follow } = await fixable(t, { 'Access-Control-Allow-Origin': '*' });
  follow((await explained(other, '--method', 'patch')).text);
  assert.equal((await explained(other, '--method', 'PATCH')).code, 0);
});

test('of a list that names nothing, it says to leave it out', async (t) => {
  const headers: OutgoingHttpHeaders = {
    'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Methods': 'PUT', 'Access-Control-Allow-Headers': '[]',
  };
  const { url } = await fixable(t, headers);
  const before = await explained(url, '--method', 'PUT');
  assert.equal(before.code, 1);
  assert.match(before.text, /- Leave Access-Control-Allow-Headers out of the preflight response/);
  delete headers['Access-Control-Allow-Headers'];
  assert.equal((await explained(url, '--method', 'PUT')).code, 0);
});

test('of one list, it says one thing only', async (t) => {
  for (const list of ['[]', 'x-other; x-more', 'x-other, [x]']) {
    const headers = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': list };
    const text = await assertFixed(t, headers, ['--header', 'x-token']);
    // The answer, the fault, the advice.
    assert.equal(text.match(/Access-Control-Allow-Headers: [^"]*"/g)?.length, 3, text);
    assert.doesNotMatch(text, /Leave Access-Control/);
  }
});

test('after a redirect to another site, it says to call the final address, and not to let null in', async (t) => {
  const grant = { 'Access-Control-Allow-Origin': app, Vary: 'Origin' };
  const final = await listenForeign(t, (_request, response) => response.writeHead(200, grant).end());
  const redirect = { 'Access-Control-Allow-Origin': '*', Location: `${final}/there` };
  const url = await listenForeign(t, (_request, response) => response.writeHead(302, redirect).end());
  const { code, text } = await explained(url, '--origin', app);
  assert.equal(code, 1);
  assert.match(text, new RegExp(`- Call ${final}/there directly`));
  assert.doesNotMatch(text, /Send "/);
  assert.equal((await explained(`${final}/there`, '--origin', app)).code, 0);
});

test('of a redirect that lacks the header, it also offers the final address, without a password in it', async (t) => {
  const url = await listenForeign(t, (request, response) => {
    if (request.url === '/there/') response.writeHead(200, { 'Access-Control-Allow-Origin': '*' }).end();
    else response.writeHead(301, { Location: '//me:pw@' + request.headers.host + '/there/' }).end();
  });
  const { code, text } = await explained(`${url}/there`);
  assert.equal(code, 1);
  assert.match(text, new RegExp(`Or call ${url}/there/ directly`));
  assert.equal((await explained(`${url}/there/`)).code, 0);
});

test('of a redirect to an address with a password, it says to take that out', async (t) => {
  const url = await listenForeign(t, (request, response) => {
    const location = `http://me:pw@${request.headers.host}/there`;
    response.writeHead(302, { 'Access-Control-Allow-Origin': '*', Location: location }).end();
  });
  const { code, text } = await explained(url);
  assert.equal(code, 1);
  assert.match(text, /- Remove the user name and password from the Location/);
});

test('it says why Access-Control-Expose-Headers: * exposes nothing with cookies', async (t) => {
  const headers = {
    'Access-Control-Allow-Origin': app, 'Access-Control-Allow-Credentials': 'true', Vary: 'Origin',
    'Access-Control-Expose-Headers': '*', 'X-Total-Count': '1',
  };
  const { url, follow } = await fixable(t, headers);
  const before = await explained(url, '--origin', app, '--credentials');
  assert.match(
    before.text,
    /send "Access-Control-Expose-Headers: x-total-count"\. For requests with credentials, "\*" exposes nothing/,
  );
  follow(before.text);
  assert.match((await explained(url, '--origin', app, '--credentials')).text, /The page can read [^.]*x-total-count/);
});

test('of an answer to one origin without Vary, it warns of caches', async (t) => {
  const { url, follow } = await fixable(t, { 'Access-Control-Allow-Origin': app, 'X-A': '1' });
  const before = await explained(url, '--origin', app);
  assert.equal(before.code, 0);
  assert.match(
    before.text,
    /Worth knowing.*- Send "Vary: Origin" with every answer, unless .* a cache may give this answer/,
  );
  follow(before.text);
  assert.doesNotMatch((await explained(url, '--origin', app)).text, /a cache may/);
});

test('Authorization that is allowed by * only is allowed for now, and it says to name it', async (t) => {
  const headers = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': '*' };
  const { url, follow } = await fixable(t, headers);
  const before = await explained(url, '--header', 'authorization');
  assert.equal(before.code, 0);
  assert.match(
    before.text,
    /ALLOWED FOR NOW .*Chrome and Firefox let it pass for now.*CORS-preflight fetch, step 7\.6/,
  );
  follow(before.text);
  assert.equal(headers['Access-Control-Allow-Headers'], '*, authorization');
  const after = await explained(url, '--header', 'authorization');
  assert.match(after.text, /ALLOWED The page gets/);
});

// ---- Of an address that browsers guard ----

test('of a page of the internet that calls this computer, it says that the browser asks, and what helps', async (t) => {
  const url = (await fixable(t, { 'Access-Control-Allow-Origin': '*' })).url;
  const { code, text } = await explained(url, '--origin', app);
  assert.equal(code, 0);
  assert.match(text, /ASKS FIRST Chrome and Firefox first ask the user .* \(permission loopback-network\)/);
  assert.match(text, /Permission was denied for this request to access the `loopback` address space/);
  assert.match(text, /open the page on http:\/\/localhost/);
  assert.match((await explained(url, '--origin', 'http://localhost:5173')).text, /ALLOWED The page gets/);
  const refused = await explained(url, '--origin', app, '--credentials');
  assert.match(refused.text, /BLOCKED The answer .*Worth knowing - Chrome and Firefox first ask the user/);
});

test(
  'of an http: page of the internet that calls this computer, it quotes Chrome, and offers https: or a local page',
  async (t) => {
    const url = (await fixable(t, { 'Access-Control-Allow-Origin': '*' })).url;
    const { code, text } = await explained(url, '--origin', app.replace('https:', 'http:'));
    assert.equal(code, 1);
    const quoted =
      'The request client is not a secure context and the resource is in more-private address space `loopback`';
    assert.match(text, new RegExp(`BLOCKED .*${quoted}`));
    assert.match(text, /- Serve the page over https:, so that Chrome asks the user/);
    assert.match((await explained(url, '--origin', app)).text, /ASKS FIRST/);
  },
);

test(
  'of mixed content, a port that is blocked, and 0.0.0.0, it says what to call instead, and sends nothing',
  async () => {
    for (const [url, fault, advice] of [
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
      assert.match(text, fault);
      assert.match(text, advice);
      assert.doesNotMatch(text, /1\. The browser/);
    }
  },
);

test('without --origin, the page is a local one where the server is, and another than the server', async (t) => {
  const { url } = await fixable(t, { 'Access-Control-Allow-Origin': '*' });
  assert.match((await explained(url)).text, /^A page at http:\/\/localhost:5173 calls/);
  assert.match((await explain(['http://localhost:5173/', '--json'])).output, /"origin": "http:\/\/localhost:3000"/);
  const elsewhere = await explain(['http://api.example.invalid:6000/', '--json']);
  assert.match(elsewhere.output, /"origin": "https:\/\/app\.example\.com"/);
});
