import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, RequestHandler } from '../../src/http/index.ts';
import { type Answer, soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { sendRaw } from './connection.ts';

const LIMIT = { timeout: 20_000 };
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
): Promise<Answer> {
  calls = 0;
  const lines = [...headers, 'Connection: close'].map((line) => `${line}\r\n`).join('');
  const [answer] = soundAnswers(await sendRaw(t, port, `GET ${target} ${version}\r\n${lines}\r\n`), [status], null);
  assert.equal(calls, status === 200 ? 1 : 0);
  return answer!;
}

for (const site of ['cross-site', 'same-site', 'none', 'Same-Origin', 'same-origin, same-origin', 'anything']) {
  test(`Sec-Fetch-Site decides alone: with "${site}", an Origin that equals the Host is refused`, LIMIT, async (t) => {
    const { port } = await listen(t, { '/': Counts }, { cors });
    await answerTo(t, port, 403, [
      'Host: api.example.com',
      'Origin: https://api.example.com',
      `Sec-Fetch-Site: ${site}`,
    ]);
  });
}

test(
  'Sec-Fetch-Site decides alone: with "same-origin", an Origin that does not look like the Host is served',
  LIMIT,
  async (t) => {
    const { port } = await listen(t, { '/': Counts }, { cors });
    await answerTo(t, port, 200, [
      'Host: internal:8000',
      'Origin: https://api.example.com',
      'Sec-Fetch-Site: same-origin',
    ]);
  },
);

test('without Sec-Fetch-Site, an Origin is of the server itself where its host is the Host', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors });
  await answerTo(t, port, 200, ['Host: api.example.com', 'Origin: https://api.example.com']);
  await answerTo(t, port, 403, ['Host: api.example.com', 'Origin: https://evil.example']);
  await answerTo(t, port, 403, ['Host: api.example.com', 'Origin: https://api.example.com:8443']);
});

test('a target in absolute-form says which host is the server itself, and the Host is ignored', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors });
  const target = 'http://api.example.com/';
  const ask = (status: number, headers: string[]) => answerTo(t, port, status, headers, 'HTTP/1.1', target);
  await ask(200, ['Host: other.example', 'Origin: https://api.example.com']);
  await ask(403, ['Host: other.example', 'Origin: https://other.example']);
});

test('a request without Host is never one of the server itself', LIMIT, async (t) => {
  const { port } = await listen(t, { '/': Counts }, { cors });
  for (const origin of ['http://undefined', 'https://undefined', 'http://', 'null', 'http://null']) {
    await answerTo(t, port, 403, [`Origin: ${origin}`], 'HTTP/1.0');
  }
});
