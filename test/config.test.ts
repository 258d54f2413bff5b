import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from '../src/config.ts';

function faultsOf(environment: NodeJS.ProcessEnv): string[] {
  try {
    readConfig(environment, false);
  } catch (error) {
    return (error as Error).message.split('\n');
  }
  return [];
}

test('an empty environment gives the defaults that the README lists', () => {
  assert.deepEqual(readConfig({}, true), {
    host: '127.0.0.1',
    port: 8000,
    log: 'text',
    server: {
      cors: { origins: '*', credentials: false, exposedHeaders: [], maxAge: 600 },
      allowedHosts: ['localhost', '127.0.0.1', '[::1]'],
      bodyLimit: 1_048_576,
      requestTimeout: 30,
      handlerTimeout: 30,
    },
    keepAliveTimeout: 65,
    shutdown: { delay: 0, timeout: 10 },
  });
  assert.equal(readConfig({}, false).log, 'json');
});

test('each variable is read', () => {
  const config = readConfig(
    {
      HOST: '0.0.0.0', PORT: '0', LOG: 'off', BODY_LIMIT: '1', REQUEST_TIMEOUT: '2', HANDLER_TIMEOUT: '0',
      KEEP_ALIVE_TIMEOUT: '5', SHUTDOWN_DELAY: '3', SHUTDOWN_TIMEOUT: '4',
      CORS_ORIGINS: 'https://app.example.com, https://*.example.com,http://localhost:*', CORS_CREDENTIALS: 'true', CORS_ALLOWED_HEADERS: 'x-token',
      CORS_EXPOSED_HEADERS: 'location,x-total-count', CORS_MAX_AGE: '0', ALLOWED_HOSTS: 'api.example.com,[::1]',
    },
    true,
  );
  assert.deepEqual(config, {
    host: '0.0.0.0',
    port: 0,
    log: 'off',
    server: {
      cors: {
        origins: ['https://app.example.com', 'https://*.example.com', 'http://localhost:*'],
        credentials: true,
        allowedHeaders: ['x-token'],
        exposedHeaders: ['location', 'x-total-count'],
        maxAge: 0,
      },
      allowedHosts: ['api.example.com', '[::1]'],
      bodyLimit: 1,
      requestTimeout: 2,
      handlerTimeout: 0,
    },
    keepAliveTimeout: 5,
    shutdown: { delay: 3, timeout: 4 },
  });
});

test('any Host is allowed once the server listens beyond loopback, unless the names are given', () => {
  assert.equal(readConfig({ HOST: '0.0.0.0' }, false).server.allowedHosts, undefined);
  assert.equal(readConfig({ ALLOWED_HOSTS: '*' }, false).server.allowedHosts, undefined);
  assert.deepEqual(readConfig({ HOST: '127.0.0.5' }, false).server.allowedHosts, ['localhost', '127.0.0.1', '[::1]', '127.0.0.5']);
});

test('an empty variable counts as not set, but not where it would let everybody in', () => {
  assert.deepEqual(readConfig({ PORT: '', LOG: '', CORS_MAX_AGE: '', CORS_EXPOSED_HEADERS: '' }, true), readConfig({}, true));
  assert.match(faultsOf({ CORS_ORIGINS: '' }).join(), /^CORS_ORIGINS=: .*allows no page/);
  assert.match(faultsOf({ ALLOWED_HOSTS: '' }).join(), /^ALLOWED_HOSTS=: must name a host/);
});

const wrong: [variable: string, value: string, advice: RegExp][] = [
  ['PORT', '80a', /whole number from 0 to 65535/],
  ['PORT', '65536', /whole number from 0 to 65535/],
  ['PORT', '-1', /whole number/],
  ['PORT', '1e3', /whole number/],
  ['BODY_LIMIT', '1MB', /whole number of bytes/],
  ['REQUEST_TIMEOUT', '0', /whole number of seconds from 1/],
  ['HANDLER_TIMEOUT', 'never', /whole number of seconds from 0/],
  ['KEEP_ALIVE_TIMEOUT', '0', /whole number of seconds from 1 to 3600/],
  ['SHUTDOWN_DELAY', '1.5', /whole number of seconds/],
  ['SHUTDOWN_TIMEOUT', 'x', /whole number of seconds/],
  ['CORS_MAX_AGE', '86401', /86400/],
  ['CORS_CREDENTIALS', 'yes', /must be true or false/],
  ['LOG', 'verbose', /must be text or json or off/],
  ['CORS_ORIGINS', 'app.example.com', /no scheme: write https:\/\/app.example.com/],
  ['CORS_ORIGINS', 'https://app.example.com/', /write https:\/\/app.example.com$/],
  ['CORS_ORIGINS', '*,https://app.example.com', /stands alone/],
  ['CORS_ALLOWED_HEADERS', 'cookie', /cookie cannot be set by a page/],
  ['CORS_EXPOSED_HEADERS', 'set-cookie', /set-cookie cannot be read by a page/],
  ['ALLOWED_HOSTS', 'http://api.example.com', /without scheme and port/],
];
for (const [variable, value, advice] of wrong) {
  test(`${variable}=${value} is refused with what it may be`, () => {
    const faults = faultsOf({ [variable]: value });
    assert.equal(faults.length, 1);
    assert.ok(faults[0]!.startsWith(`${variable}=${value}: `));
    assert.match(faults[0]!, advice);
  });
}

test('all faults are named together', () => {
  const faults = faultsOf({ PORT: 'x', LOG: 'x', CORS_CREDENTIALS: 'true', CORS_MAX_AGE: 'x' });
  assert.deepEqual(faults.map((fault) => fault.split('=')[0]).sort(), ['CORS_CREDENTIALS', 'CORS_MAX_AGE', 'LOG', 'PORT']);
});
