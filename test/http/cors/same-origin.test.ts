import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, RequestHandler } from '../../../src/http/index.ts';
import { sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses, type RawResponse } from '../support/response.ts';

const page = 'https://app.example.com';
const cors: CorsOptions = { origins: [page] };

let calls = 0;
class Counts extends RequestHandler {
  override doGet() {
    return ++calls;
  }
}

async function answerTo(
  t: Parameters<typeof sendRaw>[0],
  port: number,
  status: number,
  headers: string[],
  version = 'HTTP/1.1',
  target = '/',
): Promise<RawResponse> {
  calls = 0;
  const lines = [...headers, 'Connection: close'].map((line) => `${line}\r\n`).join('');
  const [answer] = expectResponses(await sendRaw(t, port, `GET ${target} ${version}\r\n${lines}\r\n`), [status], null);
  assert.equal(calls, status === 200 ? 1 : 0);
  return answer!;
}

for (const site of ['cross-site', 'same-site', 'none', 'Same-Origin', 'same-origin, same-origin', 'anything']) {
  test(`Sec-Fetch-Site: ${site} overrides a matching Host, and the origin is denied`, async (t) => {
    const { port } = await listen(t, { '/': Counts }, { cors });
    await answerTo(t, port, 403, [
      'Host: api.example.com',
      'Origin: https://api.example.com',
      `Sec-Fetch-Site: ${site}`,
    ]);
  });
}

test('Sec-Fetch-Site: same-origin overrides a different Host, and the request is served', async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors });
  await answerTo(t, port, 200, [
    'Host: internal:8000',
    'Origin: https://api.example.com',
    'Sec-Fetch-Site: same-origin',
  ]);
});

test('without Sec-Fetch-Site, an Origin that matches Host is same-origin', async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors });
  await answerTo(t, port, 200, ['Host: api.example.com', 'Origin: https://api.example.com']);
  await answerTo(t, port, 403, ['Host: api.example.com', 'Origin: https://evil.example']);
  await answerTo(t, port, 403, ['Host: api.example.com', 'Origin: https://api.example.com:8443']);
});

test('uses the host of an absolute-form target instead of Host', async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors });
  const target = 'http://api.example.com/';
  const ask = (status: number, headers: string[]) => answerTo(t, port, status, headers, 'HTTP/1.1', target);
  await ask(200, ['Host: other.example', 'Origin: https://api.example.com']);
  await ask(403, ['Host: other.example', 'Origin: https://other.example']);
});

test('a request without Host is never same-origin', async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors });
  for (const origin of ['http://undefined', 'https://undefined', 'http://', 'null', 'http://null']) {
    await answerTo(t, port, 403, [`Origin: ${origin}`], 'HTTP/1.0');
  }
});
