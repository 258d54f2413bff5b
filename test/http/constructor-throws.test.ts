import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CorsOptions, HttpError, RequestHandler } from '../../src/http/index.ts';
import { soundAnswers } from './answers.ts';
import { listen } from '../listen.ts';
import { requestBytes, sendRaw } from './connection.ts';

const LIMIT = { timeout: 20_000 };
const page = 'https://app.example.com';
const PREFLIGHT = ['Access-Control-Request-Method: GET'];

let isThrowing = false;
let constructed = 0;

function fail(): undefined {
  constructed++;
  if (isThrowing) throw new Error('secret');
}

class Constructor extends RequestHandler {
  constructor(...parameters: ConstructorParameters<typeof RequestHandler>) {
    super(...parameters);
    fail();
  }
  override doGet() {
    return 'never seen';
  }
}

class Field extends RequestHandler {
  readonly field = fail();
  override doGet() {
    return this.field ?? 'never seen';
  }
}

class Refusing extends RequestHandler {
  constructor(...parameters: ConstructorParameters<typeof RequestHandler>) {
    super(...parameters);
    constructed++;
    if (isThrowing) throw new HttpError(401, 'Who are you?');
  }
  override doGet() {
    return 'never seen';
  }
}

const policies: [what: string, cors: CorsOptions][] = [
  ['a list of origins', { origins: [page], credentials: true }],
  ['a predicate', { origins: (origin) => origin === page, credentials: true }],
  ['a predicate that decides later', { origins: async (origin) => origin === page, credentials: true }],
];
for (const [what, cors] of policies) {
  for (const [HandlerClass, status] of [
    [Constructor, 500],
    [Field, 500],
    [Refusing, 401],
  ] as const) {
    test(
      `the answer to a ${HandlerClass.name} that throws carries the grant, and nobody else constructs it: ${what}`,
      LIMIT,
      async (t) => {
        isThrowing = false;
        const { port } = await listen(t, { '/': HandlerClass }, { cors });
        isThrowing = true;

        constructed = 0;
        const ask = (line: string, origin: string, headers: string[] = []) =>
          sendRaw(t, port, requestBytes(line, [`Origin: ${origin}`, 'Connection: close', ...headers]));
        for (const line of ['OPTIONS /', 'GET /']) {
          soundAnswers(await ask(line, 'https://evil.example', line === 'GET /' ? [] : PREFLIGHT), [403], null);
        }
        assert.equal(constructed, 0, 'It was constructed for a refused origin');

        const received = await ask('GET /', page);
        soundAnswers(received, [status], page);
        assert.match(received, /\r\nAccess-Control-Allow-Credentials: true\r\n/);
        assert.doesNotMatch(received, /secret/);

        const preflight = await ask('OPTIONS /', page, PREFLIGHT);
        assert.match(preflight, new RegExp(`\r\nAccess-Control-Allow-Origin: ${page}\r\n`));
        assert.match(preflight, /\r\nVary: Origin\r\n/);
        assert.ok(constructed > 0);
      },
    );
  }
}
