import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Config, readConfig } from '../src/config.ts';

const faultsOf = (environment: NodeJS.ProcessEnv): string[] => readConfig(environment, false).faults;
/** What the engine reads: settings of your own stand beside it, and change none of these tests. */
const engineOf = ({ faults, host, port, log, server, keepAliveTimeout, shutdown }: Config) => ({
  faults, host, port, log, server, keepAliveTimeout, shutdown,
});
const hostsOf = (environment: NodeJS.ProcessEnv) => readConfig(environment, false).server.allowedHosts;

test('an empty environment gives the defaults that the README lists', () => {
  assert.deepEqual(engineOf(readConfig({}, true)), {
    faults: [],
    host: '127.0.0.1',
    port: 8000,
    log: 'text',
    server: {
      cors: { origins: '*', credentials: false, allowedHeaders: undefined, exposedHeaders: undefined, maxAge: 600 },
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
      CORS_ORIGINS: 'https://app.example.com, https://*.example.com,http://localhost:*', CORS_CREDENTIALS: 'true',
      CORS_ALLOWED_HEADERS: 'x-token', CORS_EXPOSED_HEADERS: 'location,x-total-count', CORS_MAX_AGE: '0',
      ALLOWED_HOSTS: 'api.example.com,[::1]',
    },
    true,
  );
  assert.deepEqual(engineOf(config), {
    faults: [],
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

test('NOTES_LIMIT is read', () => assert.equal(readConfig({ NOTES_LIMIT: '6' }, true).notesLimit, 6));

test('any Host is allowed once the server listens beyond loopback, unless the names are given', () => {
  for (const host of ['0.0.0.0', '::', '192.168.0.1', '::ffff:192.168.0.1', 'localhost.example.com', '12.7.0.1']) {
    assert.equal(hostsOf({ HOST: host }), undefined, host);
  }
  assert.equal(hostsOf({ ALLOWED_HOSTS: '*' }), undefined);
  assert.deepEqual(hostsOf({ HOST: '0.0.0.0', ALLOWED_HOSTS: 'api.example.com' }), ['api.example.com']);
});

test('loopback is loopback, however it is spelled', () => {
  const names = ['localhost', '127.0.0.1', '[::1]'];
  for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.1', '::1', '0:0:0:0:0:0:0:1', '::1%lo']) {
    assert.deepEqual(hostsOf({ HOST: host }), names, host);
  }
  assert.deepEqual(hostsOf({ HOST: '127.0.0.5' }), [...names, '127.0.0.5']);
  assert.deepEqual(hostsOf({ HOST: '::ffff:127.0.0.1' }), [...names, '[::ffff:7f00:1]']);
  assert.deepEqual(hostsOf({ HOST: 'api.localhost' }), [...names, 'api.localhost']);
});

test('an empty variable counts as unset, except where that would let everyone in', () => {
  const empty = { PORT: '', LOG: '', CORS_MAX_AGE: '', CORS_EXPOSED_HEADERS: '', CORS_ALLOWED_HEADERS: '' };
  assert.deepEqual(readConfig(empty, true), readConfig({}, true));
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
  ['NOTES_LIMIT', '-1', /whole number of notes from 0/],
  ['SHUTDOWN_DELAY', '1.5', /whole number of seconds/],
  ['SHUTDOWN_TIMEOUT', 'x', /whole number of seconds/],
  ['CORS_MAX_AGE', '86401', /86400/],
  ['CORS_CREDENTIALS', 'yes', /must be true or false/],
  ['LOG', 'verbose', /must be text, json or off/],
  ['CORS_ORIGINS', 'app.example.com', /no scheme: write https:\/\/app.example.com/],
  ['CORS_ORIGINS', 'https://app.example.com/', /write https:\/\/app.example.com$/],
  ['CORS_ORIGINS', '*,https://app.example.com', /\*/],
  ['CORS_ALLOWED_HEADERS', 'cookie', /cookie/],
  ['CORS_EXPOSED_HEADERS', 'set-cookie', /set-cookie/],
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
  const named = faults.map((fault) => fault.split('=')[0]);
  assert.deepEqual(named.sort(), ['CORS_CREDENTIALS', 'CORS_MAX_AGE', 'LOG', 'PORT']);
});

const misspelt: Record<string, string> = {
  CORS_ORIGIN: 'CORS_ORIGINS',
  CORS_ALLOW_HEADERS: 'CORS_ALLOWED_HEADERS',
  CORS_CREDENTIAL: 'CORS_CREDENTIALS',
  cors_max_age: 'CORS_MAX_AGE',
  ALLOWED_HOST: 'ALLOWED_HOSTS',
  BODYLIMIT: 'BODY_LIMIT',
  REQUEST_TIMOUT: 'REQUEST_TIMEOUT',
  SHUTDOWN_DELAYS: 'SHUTDOWN_DELAY',
  KEEPALIVE_TIMEOUT: 'KEEP_ALIVE_TIMEOUT',
  port: 'PORT',
};
for (const [name, meant] of Object.entries(misspelt)) {
  test(`${name} is refused: ${meant} is meant`, () => {
    assert.deepEqual(faultsOf({ [name]: '1' }), [`${name}: is not a setting: write ${meant}`]);
  });
}

test('any other CORS_ variable is refused with the names that there are', () => {
  const [fault, ...rest] = faultsOf({ CORS_ALLOW_ORIGIN: 'https://app.example.com' });
  assert.match(fault!, /^CORS_ALLOW_ORIGIN: is not a setting: choose one of CORS_ORIGINS, CORS_CREDENTIALS, /);
  assert.deepEqual(rest, []);
});

test('what shells, containers, Kubernetes and CI set is not taken for a misspelt variable', () => {
  const names = `
    HOSTNAME HOSTTYPE MACHTYPE OSTYPE LOGNAME USER HOME PWD OLDPWD SHELL SHLVL PATH TERM LANG LC_ALL TZ _
    EDITOR PAGER PS1 DISPLAY XDG_SESSION_ID PORTAGE_CONFIGROOT LOG_LEVEL LOGS LOGDIR HOSTS HOST_IP PORTS PORT0
    PORT1 NODE_ENV NODE_OPTIONS NODE_VERSION YARN_VERSION DEBUG CI INIT_CWD npm_config_port npm_config_host
    npm_package_name npm_lifecycle_event npm_config_loglevel npm_node_execpath DOCKER_HOST CONTAINER
    KUBERNETES_SERVICE_HOST KUBERNETES_SERVICE_PORT KUBERNETES_PORT KUBERNETES_PORT_443_TCP_ADDR API_PORT
    API_SERVICE_HOST API_SERVICE_PORT_HTTP CORS_PROXY_SERVICE_HOST CORS_PROXY_SERVICE_PORT CORS_PROXY_PORT
    CORS_PROXY_PORT_80_TCP CORS_PROXY_PORT_80_TCP_PROTO GITHUB_ACTIONS GITHUB_WORKSPACE GITHUB_REF
    GITHUB_TOKEN RUNNER_OS RUNNER_TEMP RUNNER_DEBUG ACTIONS_RUNTIME_URL AWS_REGION DYNO LISTEN_PID LISTEN_FDS
    LISTEN_FDNAMES INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID MAINPID NOTIFY_SOCKET REQUEST_METHOD
    REMOTE_HOST NOTES_HOST DATABASE_URL REDIS_URL API_KEY BODY_SIZE TIMEOUT HTTP_PROXY NO_PROXY SSH_CONNECTION
    WT_SESSION VSCODE_IPC_HOOK_CLI COLORTERM
  `.trim().split(/\s+/);
  // A setting of your own may be among them, and have a fault of its own.
  const faults = faultsOf(Object.fromEntries(names.map((name) => [name, '1'])));
  assert.deepEqual(faults.filter((fault) => fault.includes('is not a setting')), []);
});
