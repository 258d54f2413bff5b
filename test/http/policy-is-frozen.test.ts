import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, type Origin, RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { sendRaw } from './connection.ts';

const LIMIT = { timeout: 20_000 };
const page = 'https://app.example.com';

class Things extends RequestHandler {
  override doGet() {
    return 1;
  }
  override doPut() {
    return 2;
  }
}

/** The CORS headers of a preflight and of a GET from each of these origins. */
async function grants(url: string, origins: string[]): Promise<unknown[]> {
  return Promise.all(
    origins
      .flatMap((origin) => [
        fetch(url, { headers: { origin } }),
        fetch(url, {
          method: 'OPTIONS',
          headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-new' },
        }),
      ])
      .map(async (answer) => {
        const { status, headers } = await answer;
        return [status, ...[...headers].filter(([name]) => name.startsWith('access-control-'))];
      }),
  );
}

for (const where of ['the server', 'a class']) {
  test(`whatever its caller changes afterwards, the policy of ${where} stays as it was`, LIMIT, async (t) => {
    const origins: Origin[] = [page, 'https://*.example.org', 'http://localhost:*'];
    const cors = {
      origins,
      credentials: true,
      methods: ['GET'],
      allowedHeaders: ['x-old'],
      exposedHeaders: ['x-shown'],
      maxAge: 1,
    };
    class Own extends Things {
      static override readonly cors: CorsOptions = cors;
    }
    const { url } = where === 'a class' ? await listen(t, { '/': Own }) : await listen(t, { '/': Things }, { cors });
    const asking = [
      page,
      'https://a.example.org',
      'http://localhost:1',
      'https://evil.example',
      'https://a.example.net',
    ];
    const before = await grants(url, asking);
    assert.deepEqual(
      before.map((answer) => (answer as [number])[0]),
      [200, 204, 200, 204, 200, 204, 403, 403, 403, 403],
    );

    origins.splice(0, 3, 'https://evil.example', 'https://*.example.net');
    cors.methods.splice(0, 1, 'PUT');
    cors.allowedHeaders.push('x-new');
    cors.exposedHeaders.length = 0;
    Object.assign(cors, { origins: ['https://evil.example'], credentials: false, maxAge: 2, methods: undefined });
    assert.deepEqual(await grants(url, asking), before);
  });
}

test('whatever a caller changes afterwards in the allowed hosts, they stay as they were', LIMIT, async (t) => {
  const allowedHosts = ['api.example.com'];
  const { port } = await listen(t, { '/': Things }, { allowedHosts });
  allowedHosts.splice(0, 1, 'evil.example');
  for (const [host, status] of [
    ['api.example.com', 200],
    ['evil.example', 421],
  ] as const) {
    soundAnswers(await sendRaw(t, port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`), [status]);
  }
});
