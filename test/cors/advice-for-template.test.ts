import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, type Origin, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';
import { routes } from './api.ts';
import { app, environmentIn, explain, explained, listenForeign } from './explain-command.ts';

/** Returns the policy of a server that is started with these variables. */
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

test('suggests variables that make the template allow the page', async (t) => {
  const options = ['--origin', app, '--method', 'PUT', '--header', 'x-token', '--header', 'x-other', '--credentials'];
  const before = await explain([`${(await listen(t, routes)).url}/notes/1`, ...options]);
  assert.equal(before.code, 1);
  const environment = environmentIn(before.output);
  assert.deepEqual(environment, {
    CORS_ORIGINS: app,
    CORS_CREDENTIALS: 'true',
    CORS_ALLOWED_HEADERS: 'authorization,content-type,x-api-key,x-other,x-token',
  });
  const { url } = await listen(t, routes, { cors: policyOf(environment) });
  const after = await explain([`${url}/notes/1`, ...options]);
  assert.equal(after.code, 0, after.output);
});

test('suggests a variable that makes the hidden headers readable', async (t) => {
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
});

test('names the method to add to the class of the path', async (t) => {
  const { url } = await listen(t, routes);
  const { code, text } = await explained(`${url}/notes/1`, '--method', 'PATCH');
  assert.equal(code, 1);
  assert.match(text, /add doPatch to the class of \/notes\/1 in src\/routes\.ts/);
});

test('suggests only the policy if the path has the method', async (t) => {
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

test('suggests only CORS_ORIGINS for a denied origin', async (t) => {
  const { url } = await listen(t, routes, { cors: { origins: ['https://other.example.com'] } });
  const options = [`${url}/notes/1`, '--origin', app, '--method', 'PUT', '--header', 'x-token', '--credentials'];
  const { code, output } = await explain(options);
  assert.equal(code, 1);
  assert.deepEqual(environmentIn(output), { CORS_ORIGINS: app });
});

test('suggests ALLOWED_HOSTS for a rejected Host', async (t) => {
  const { url } = await listen(t, routes, { allowedHosts: ['api.example.com'] });
  const { code, output } = await explain([`${url.replace('127.0.0.1', 'localhost')}/notes/1`, '--method', 'DELETE']);
  assert.equal(code, 1);
  assert.deepEqual(environmentIn(output), { ALLOWED_HOSTS: 'localhost' });
});

test('suggests serving a page whose origin is null', async (t) => {
  const { url } = await listen(t, routes, { cors: { origins: [app] } });
  const { code, text } = await explained(url, '--origin', 'null');
  assert.equal(code, 1);
  assert.match(text, /Serve the page from a web server/);
  assert.doesNotMatch(text, /CORS_ORIGINS=/);
});

test('suggests CORS_ORIGINS for the origin of an app', async (t) => {
  const { url } = await listen(t, routes, { cors: { origins: [app] } });
  for (const origin of ['capacitor://localhost', 'chrome-extension://ggnpkfmjhpebopihmcifagpeoplkddgn']) {
    const { code, output } = await explain([url, '--origin', origin, '--credentials']);
    assert.equal(code, 1);
    assert.deepEqual(environmentIn(output), { CORS_ORIGINS: origin });
  }
});

test('recognises the template by the code of a problem', async (t) => {
  const isRecognised = async (body: object, type = 'application/problem+json') => {
    const url = await listenForeign(t, (_request, response) => {
      response.writeHead(403, { 'Content-Type': type }).end(JSON.stringify(body));
    });
    const { isTemplate } = JSON.parse((await explain([url, '--json'])).output) as { isTemplate: boolean };
    return isTemplate;
  };
  for (const code of ['NO_ROUTE', 'METHOD_NOT_ALLOWED', 'ORIGIN_NOT_ALLOWED', 'HOST_NOT_ALLOWED']) {
    assert.equal(await isRecognised({ status: 403, code }), true, code);
    assert.equal(await isRecognised({ status: 403, code }, 'application/json'), false, code);
  }
  assert.equal(await isRecognised({ status: 403, code: 'OTHER' }), false);
  assert.equal(await isRecognised({ status: 403 }), false);
});
