import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, createServer, type Origin, RequestHandler, type Routes } from '../../../src/http/index.ts';
import { sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses } from '../support/response.ts';
import { startupErrors } from '../support/startup-errors.ts';

class Good extends RequestHandler {
  override doGet() {
    return 1;
  }
}

test('reports all route, class and policy errors at once', () => {
  class Wrong extends RequestHandler {
    static override readonly cors: CorsOptions = { origins: [], maxAge: -1 };
    doWrong() {}
  }
  const errors = startupErrors({ '/': Wrong, '/:': Good } as Routes, {
    cors: { origins: ['https://a.example/'], methods: ['get'] },
    bodyLimit: -1,
  });
  assert.deepEqual(errors.map((error) => error.split(':')[0]).sort(), [
    '/', 'Wrong.cors.maxAge', 'Wrong.cors.origins', 'Wrong.doWrong would never be called by the server', 'bodyLimit',
    'cors.methods', 'cors.origins',
  ]);
});

test('ignores a later change to the list of origins', async () => {
  const origins: `https://${string}`[] = ['https://a.example'];
  const server = createServer({ '/': Good }, { cors: { origins } });
  origins.push('https://b.example');
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const response = await fetch(`http://127.0.0.1:${port}`, { headers: { origin: 'https://b.example' } });
  assert.equal(response.status, 403);
  server.closeAllConnections();
  server.close();
});

const page = 'https://app.example.com';

class Things extends RequestHandler {
  override doGet() {
    return 1;
  }
  override doPut() {
    return 2;
  }
}

/** Returns the CORS headers of a preflight and of a GET from each of these origins. */
async function corsHeadersOf(url: string, origins: string[]): Promise<unknown[]> {
  return Promise.all(
    origins
      .flatMap((origin) => [
        fetch(url, { headers: { origin } }),
        fetch(url, {
          method: 'OPTIONS',
          headers: { origin, 'access-control-request-method': 'PUT', 'access-control-request-headers': 'x-new' },
        }),
      ])
      .map(async (response) => {
        const { status, headers } = await response;
        return [status, ...[...headers].filter(([name]) => name.startsWith('access-control-'))];
      }),
  );
}

for (const where of ['the server', 'a class']) {
  test(`ignores later changes to the policy of ${where}`, async (t) => {
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
    const before = await corsHeadersOf(url, asking);
    assert.deepEqual(
      before.map((response) => (response as [number])[0]),
      [200, 204, 200, 204, 200, 204, 403, 403, 403, 403],
    );

    origins.splice(0, 3, 'https://evil.example', 'https://*.example.net');
    cors.methods.splice(0, 1, 'PUT');
    cors.allowedHeaders.push('x-new');
    cors.exposedHeaders.length = 0;
    Object.assign(cors, { origins: ['https://evil.example'], credentials: false, maxAge: 2, methods: undefined });
    assert.deepEqual(await corsHeadersOf(url, asking), before);
  });
}

test('ignores later changes to allowedHosts', async (t) => {
  const allowedHosts = ['api.example.com'];
  const { port } = await listen(t, { '/': Things }, { allowedHosts });
  allowedHosts.splice(0, 1, 'evil.example');
  for (const [host, status] of [
    ['api.example.com', 200],
    ['evil.example', 421],
  ] as const) {
    expectResponses(await sendRaw(t, port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`), [status]);
  }
});

test('does not start listening', () => {
  const server = createServer({});
  assert.equal(server.listening, false);
  assert.equal(server.address(), null);
});
