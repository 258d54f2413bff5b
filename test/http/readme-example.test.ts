import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';

/** The block of the README's TypeScript that contains `text`, as a module of its own. */
async function exampleWith(text: string): Promise<Record<string, typeof RequestHandler>> {
  const blocks = [...readFileSync('README.md', 'utf8').matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => match[1]!);
  const block = blocks.find((code) => code.includes(text));
  assert.ok(block, `The README has no example with ${text}`);
  const folder = mkdtempSync(join('src', 'handlers', 'example-'));
  try {
    const file = join(folder, 'example.ts');
    writeFileSync(file, block.split('// 2.')[0]!.replaceAll("'../http/", "'../../http/"));
    return (await import(pathToFileURL(file).href)) as Record<string, typeof RequestHandler>;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the API-key example answers 401 without the key, and leaves preflights alone', async (t) => {
  process.env['API_KEY'] = 'secret';
  const { GuardedHandler } = await exampleWith('class GuardedHandler');
  class Secrets extends GuardedHandler! {
    override doGet() {
      return 'secret things';
    }
  }
  const { url } = await listen(t, { '/': Secrets });
  for (const key of ['', 'wrong', 'secretsecret']) {
    const response = await fetch(url, { headers: { 'x-api-key': key } });
    assert.equal(response.status, 401);
    assert.equal(response.headers.get('www-authenticate'), 'ApiKey');
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
  }
  assert.equal(await (await fetch(url, { headers: { 'x-api-key': 'secret' } })).json(), 'secret things');
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example.com', 'access-control-request-method': 'GET', 'access-control-request-headers': 'x-api-key' },
  });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get('access-control-allow-headers')!, /x-api-key/);
});

test('the endpoint that the README adds in two steps answers', async (t) => {
  const { HelloHandler } = await exampleWith('class HelloHandler');
  const { url } = await listen(t, { '/hello/:name': HelloHandler! });
  assert.deepEqual(await (await fetch(`${url}/hello/World`)).json(), { hello: 'World' });
});
