import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, RequestHandler } from '../../../src/http/index.ts';
import { startupErrors } from '../support/startup-errors.ts';

class Good extends RequestHandler {
  override doGet() {
    return 1;
  }
}

const policies: [cors: unknown, error: RegExp][] = [
  [{ origins: '*', credentials: true }, /^cors\.credentials: cannot be true with origins '\*': list the origins/],
  [{ origins: [] }, /^cors\.origins: must not be empty/],
  [
    { origins: 'https://app.example.com' },
    /^cors\.origins: https:\/\/app\.example\.com is not a list: write \['https:\/\/app\.example\.com'\]$/,
  ],
  [{}, /^cors\.origins: must not be empty/],
  [{ origin: '*', origins: '*' }, /^cors\.origin: is not an option: write origins, credentials, methods,/],
  [{ origins: '*', credential: true }, /^cors\.credential: is not an option: write origins, credentials, methods,/],
  [{ origins: [1] }, /^cors\.origins: 1 is not a string/],
  [{ origins: ['null'] }, /^cors\.origins: null is the origin of every sandboxed page.*remove it/],
  [{ origins: ['*'] }, /^cors\.origins: \* must stand alone: write only \* and no list/],
  [{ origins: null }, /^cors\.origins: null is not a list/],
  [{ origins: ['app.example.com'] }, /is not an origin as browsers send it: write https:\/\/app\.example\.com$/],
  [{ origins: ['localhost:3000'] }, /is not an origin as browsers send it: write http:\/\/localhost:3000$/],
  [{ origins: ['https://a.example https://b.example'] }, /write https:\/\/a\.example,https:\/\/b\.example$/],
  [{ origins: ['ftp://app.example.com'] }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['https://app.example.com/'] }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['https://app.example.com/path'] }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['https://app.example.com?q'] }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['https://user@app.example.com'] }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['https://App.Example.com'] }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['HTTPS://app.example.com'] }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['https://bücher.example'] }, /write https:\/\/xn--bcher-kva\.example$/],
  [{ origins: ['https://app.example.com:443'] }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['http://app.example.com:80'] }, /write http:\/\/app\.example\.com$/],
  [{ origins: ['http://0x7f.1'] }, /write http:\/\/127\.0\.0\.1$/],
  [{ origins: ['http://[0:0::1]'] }, /write http:\/\/\[::1\]$/],
  [{ origins: ['https://'] }, /is not an origin/],
  [{ origins: ['https://app.example.com:99999'] }, /is not an origin/],
  [{ origins: ['https://*'] }, /may have a \* only for subdomains/],
  [{ origins: ['https://*.com'] }, /two labels or more after the star/],
  [{ origins: ['https://*.com.'] }, /two labels or more after the star/],
  [{ origins: ['https://*.localhost'] }, /two labels or more after the star/],
  [{ origins: ['https://app*.example.com'] }, /may have a \* only for subdomains/],
  [{ origins: ['https://app.*.com'] }, /may have a \* only for subdomains/],
  [{ origins: ['https://*.*.example.com'] }, /write https:\/\/\*\.example\.com$/],
  [{ origins: ['https://*.example.com:*'] }, /may have a \* only for subdomains/],
  [{ origins: ['*://app.example.com'] }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['https://*.Example.com'] }, /write https:\/\/\*\.example\.com$/],
  [{ origins: ['https://*.example.com/'] }, /write https:\/\/\*\.example\.com$/],
  [{ origins: ['https://*.example.com:443'] }, /write https:\/\/\*\.example\.com$/],
  [{ origins: ['http://LOCALHOST:*'] }, /write http:\/\/localhost:\*$/],
  [{ origins: ['http://app.example.com'], credentials: true }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['http://app.example.com:80'], credentials: true }, /write https:\/\/app\.example\.com$/],
  [{ origins: ['http://*.example.com'], credentials: true }, /write https:\/\/\*\.example\.com$/],
  [{ origins: ['http://localhost.example.com'], credentials: true }, /anyone on the network/],
  [{ origins: ['http://127.0.0.1.example.com'], credentials: true }, /anyone on the network/],
  ...['vercel.app', 'github.io', 'co.uk', 'azurewebsites.net', 'ngrok-free.app', 'workers.dev', 'surge.sh'].map(
    (domain): [unknown, RegExp] => [
      { origins: [`https://*.${domain}`], credentials: true },
      new RegExp(`would let strangers.*: list your own host names, such as https://your-app\\.${domain}$`),
    ],
  ),
  [{ origins: '*', credentials: 'yes' }, /^cors\.credentials: yes is not a boolean/],
  [{ origins: '*', methods: ['get'] }, /^cors\.methods: get: methods are case-sensitive, write GET/],
  [{ origins: '*', methods: ['FETCH'] }, /FETCH is not an HTTP method/],
  [{ origins: '*', methods: ['TRACE'] }, /TRACE cannot be sent by scripts/],
  [{ origins: '*', methods: ['connect'] }, /connect cannot be sent by scripts/],
  [{ origins: '*', methods: [1] }, /^cors\.methods: 1 is not a string/],
  [{ origins: '*', methods: ['CONNECT'] }, /CONNECT cannot be sent by scripts/],
  [{ origins: '*', methods: ['TRACK'] }, /TRACK cannot be sent by scripts/],
  [{ origins: '*', methods: 'GET' }, /^cors\.methods: GET is not a list/],
  [{ origins: '*', methods: 'GET, POST' }, /^cors\.methods: GET, POST is not a list: write \['GET', 'POST'\]$/],
  [{ origins: ['https://a.example,https://b.example'] }, /: write 'https:\/\/a\.example', 'https:\/\/b\.example'$/],
  [{ origins: '*', allowedHeaders: ['*'] }, /^cors\.allowedHeaders: \* must stand alone/],
  [{ origins: '*', allowedHeaders: 'x-token' }, /^cors\.allowedHeaders: x-token is not a list/],
  [{ origins: '*', allowedHeaders: ['x token'] }, /"x token" is not a header name/],
  ...[
    'Cookie', 'origin', 'Host', 'sec-fetch-mode', 'proxy-authorization', 'access-control-request-method',
    'Content-Length',
  ].map((name): [unknown, RegExp] => [
    { origins: '*', allowedHeaders: [name] },
    new RegExp(`^cors\\.allowedHeaders: ${name} cannot be set by scripts: remove it`),
  ]),
  [{ origins: '*', exposedHeaders: ['Set-Cookie'] }, /^cors\.exposedHeaders: Set-Cookie cannot be read by scripts/],
  [
    { origins: ['https://a.example'], credentials: true, exposedHeaders: ['*'] },
    /^cors\.exposedHeaders: \* has no effect with credentials/,
  ],
  [{ origins: '*', exposedHeaders: ['a b'] }, /"a b" is not a header name/],
  [{ origins: '*', maxAge: -1 }, /^cors\.maxAge: -1 is not a whole number/],
  [{ origins: '*', maxAge: 86_401 }, /^cors\.maxAge: 86401/],
  [{ origins: '*', maxAge: 1.5 }, /^cors\.maxAge: 1\.5/],
  [{ origins: '*', maxAge: '600' }, /^cors\.maxAge: 600 is not a whole number/],
];
for (const [cors, error] of policies) {
  test(`rejects the policy ${JSON.stringify(cors).slice(0, 60)}`, () => {
    const errors = startupErrors({ '/': Good }, { cors: cors as CorsOptions });
    assert.equal(errors.length, 1, errors.join('\n'));
    assert.match(errors[0]!, error);
  });
}

const good: CorsOptions[] = [
  { origins: '*' },
  { origins: '*', allowedHeaders: '*', exposedHeaders: ['*'], methods: [], maxAge: 0 },
  { origins: () => true, credentials: true, allowedHeaders: '*', maxAge: 86_400 },
  {
    origins: [
      'https://app.example.com', 'https://app.example.com:8443', 'https://*.example.com',
      'https://*.example.com:8443', 'http://localhost:*',
    ],
    credentials: true,
  },
  {
    origins: [
      'http://localhost:3000', 'http://127.0.0.1:3000', 'http://127.0.0.1:*', 'http://[::1]:3000', 'http://[::1]:*',
      'http://app.localhost',
    ],
    credentials: true,
  },
  {
    origins: [
      'http://app.example.com', 'http://192.168.0.1:5173', 'https://xn--bcher-kva.example', 'https://a_b.example.com',
    ],
  },
];
for (const cors of good) {
  test(`accepts the policy ${JSON.stringify(cors).slice(0, 60)}`, () => {
    assert.deepEqual(startupErrors({ '/': Good }, { cors }), []);
  });
}

test('rejects a static cors of false instead of using the policy of the server', () => {
  class Closed extends Good {
    static override readonly cors = false as unknown as CorsOptions;
  }
  assert.match(startupErrors({ '/': Closed }).join(), /^Closed\.cors\.origins: cannot be read, .*: write \{ origins/);
});
