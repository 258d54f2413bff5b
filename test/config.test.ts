import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Config, readConfig as readAll } from '../src/config.ts';
import { settingsReader } from '../src/environment.ts';
import { type CorsOptions, corsErrors } from '../src/http/index.ts';
import { required } from './required-settings.ts';

const readConfig: typeof readAll = (environment, options) => readAll({ ...required, ...environment }, options);
const errorsOf = (environment: NodeJS.ProcessEnv): string[] => readConfig(environment).errors;
/** Returns the built-in settings. Your own settings do not affect these tests. */
const engineOf = ({ errors, warnings, host, port, log, server, keepAliveTimeout, shutdown }: Config) => ({
  errors, warnings, host, port, log, server, keepAliveTimeout, shutdown,
});
const hostsOf = (environment: NodeJS.ProcessEnv) => readConfig(environment).server.allowedHosts;

test('leaves the defaults to the engine if it has them', () => {
  assert.deepEqual(engineOf(readConfig({}, { isTerminal: true })), {
    errors: [],
    warnings: [],
    host: '127.0.0.1',
    port: 8000,
    log: 'text',
    server: {
      cors: {
        origins: '*', credentials: undefined, allowedHeaders: undefined, exposedHeaders: undefined, maxAge: undefined,
      },
      allowedHosts: ['localhost', '127.0.0.1', '[::1]'],
      bodyLimit: undefined,
      requestTimeout: undefined,
      handlerTimeout: undefined,
    },
    keepAliveTimeout: 65,
    shutdown: { delay: undefined, timeout: undefined },
  });
});

test('logs JSON by default unless standard output is a terminal', () => {
  assert.equal(readConfig({}).log, 'json');
});

test('reads every variable', () => {
  const config = readConfig({
    HOST: '0.0.0.0', PORT: '0', LOG: 'off', BODY_LIMIT: '1', REQUEST_TIMEOUT: '2', HANDLER_TIMEOUT: '0',
    KEEP_ALIVE_TIMEOUT: '5', SHUTDOWN_DELAY: '3', SHUTDOWN_TIMEOUT: '4',
    CORS_ORIGINS: 'https://app.example.com, https://*.example.com,http://localhost:*,capacitor://localhost',
    CORS_CREDENTIALS: 'true', CORS_ALLOWED_HEADERS: 'x-token', CORS_EXPOSED_HEADERS: 'location,x-total-count',
    CORS_MAX_AGE: '0', ALLOWED_HOSTS: 'api.example.com,.example.org,[::1]',
  });
  assert.deepEqual(engineOf(config), {
    errors: [],
    warnings: [],
    host: '0.0.0.0',
    port: 0,
    log: 'off',
    server: {
      cors: {
        origins: ['https://app.example.com', 'https://*.example.com', 'http://localhost:*', 'capacitor://localhost'],
        credentials: true,
        allowedHeaders: ['x-token'],
        exposedHeaders: ['location', 'x-total-count'],
        maxAge: 0,
      },
      allowedHosts: ['api.example.com', '.example.org', '[::1]'],
      bodyLimit: 1,
      requestTimeout: 2,
      handlerTimeout: 0,
    },
    keepAliveTimeout: 5,
    shutdown: { delay: 3, timeout: 4 },
  });
});

test('reads NOTES_LIMIT', () => assert.equal(readConfig({ NOTES_LIMIT: '6' }).notesLimit, 6));

test('allows any Host on a non-loopback address, unless ALLOWED_HOSTS is set', () => {
  for (const host of ['0.0.0.0', '::', '192.168.0.1', '::ffff:192.168.0.1', '12.7.0.1']) {
    assert.equal(hostsOf({ HOST: host }), undefined, host);
  }
  assert.equal(hostsOf({ ALLOWED_HOSTS: '*' }), undefined);
  assert.deepEqual(hostsOf({ HOST: '0.0.0.0', ALLOWED_HOSTS: 'api.example.com' }), ['api.example.com']);
});

test('recognizes every spelling of a loopback address', () => {
  const names = ['localhost', '127.0.0.1', '[::1]'];
  const spellings = ['localhost', 'LOCALHOST', 'localhost.', '127.0.0.1', '127.1', '::1', '0:0:0:0:0:0:0:1', '::1%lo'];
  for (const host of spellings) {
    assert.deepEqual(hostsOf({ HOST: host }), names, host);
  }
  assert.deepEqual(hostsOf({ HOST: '127.0.0.5' }), [...names, '127.0.0.5']);
  assert.deepEqual(hostsOf({ HOST: '::ffff:127.0.0.1' }), [...names, '[::ffff:7f00:1]']);
  assert.deepEqual(hostsOf({ HOST: 'api.localhost' }), [...names, 'api.localhost']);
});

for (const host of ['x86_64-conda-linux-gnu', 'arm64-apple-darwin20.0.0', 'laptop', 'build-7.example.com', 'web.1']) {
  test(`ignores HOST=${host} with a warning`, () => {
    const config = readConfig({ HOST: host });
    assert.equal(config.host, '127.0.0.1');
    assert.deepEqual(config.errors, []);
    assert.match(config.warnings.join('\n'), new RegExp(`^HOST=${host}: ignored, .* write HOST=0\\.0\\.0\\.0$`));
  });
}

const wrongHosts = [
  '0.0.0.0:8000', '127.0.0.1:8000', 'localhost:8000', '[::1]', '999.0.0.1', 'http://0.0.0.0', '*', '8000',
];
for (const host of wrongHosts) {
  test(`rejects HOST=${host}, which only a mistake sets`, () => {
    assert.match(errorsOf({ HOST: host }).join('\n'), /^HOST=.*: must be an IP address without a port/);
  });
}

test('treats an empty variable as unset, except where the default would allow everyone', () => {
  const empty = { PORT: '', LOG: '', CORS_MAX_AGE: '', CORS_EXPOSED_HEADERS: '', CORS_ALLOWED_HEADERS: '' };
  assert.deepEqual(readConfig(empty), readConfig({}));
  assert.match(errorsOf({ CORS_ORIGINS: '' }).join(), /^CORS_ORIGINS=: must not be empty/);
  assert.match(errorsOf({ ALLOWED_HOSTS: '' }).join(), /^ALLOWED_HOSTS=: must list at least one host name/);
});

const wrong: [variable: string, value: string, advice: RegExp][] = [
  ['PORT', '80a', /whole number from 0 to 65535/],
  ['PORT', '65536', /whole number from 0 to 65535/],
  ['PORT', '-1', /whole number/],
  ['PORT', '1e3', /whole number/],
  ['PORT', '"8000"', /without quotes$/],
  ['HOST', '"0.0.0.0"', /without quotes$/],
  ['LOG', "'json'", /without quotes$/],
  ['BODY_LIMIT', '"1024"', /without quotes$/],
  ['CORS_CREDENTIALS', '"false"', /without quotes$/],
  ['BODY_LIMIT', '1MB', /whole number of bytes/],
  ['REQUEST_TIMEOUT', '0', /whole number of seconds from 1/],
  ['HANDLER_TIMEOUT', 'never', /whole number of seconds from 0/],
  ['KEEP_ALIVE_TIMEOUT', '0', /whole number of seconds from 1 to 3600/],
  ['NOTES_LIMIT', '-1', /whole number of notes from 0/],
  ['SHUTDOWN_DELAY', '1.5', /whole number of seconds/],
  ['SHUTDOWN_TIMEOUT', 'x', /whole number of seconds/],
  ['CORS_MAX_AGE', '86401', /86400/],
  ['CORS_CREDENTIALS', 'yes', /must be true or false/],
  ['CORS_CREDENTIALS', 'true', /with CORS_ORIGINS=\*: list the origins/],
  ['LOG', 'verbose', /must be text, json or off/],
  ['CORS_ORIGINS', 'app.example.com', /not an origin as browsers send it: write https:\/\/app.example.com$/],
  ['CORS_ORIGINS', 'https://app.example.com/', /write https:\/\/app.example.com$/],
  ['CORS_ORIGINS', '*,https://app.example.com', /\*/],
  ['CORS_ORIGINS', 'https://app-*.vercel.app', /in corsInCode of src\/config\.ts, with origins: \(origin\) => \//],
  ['CORS_ALLOWED_HEADERS', 'cookie', /cookie/],
  ['CORS_ALLOWED_HEADERS', '["x-a", "x-b"]', /write CORS_ALLOWED_HEADERS=x-a,x-b$/],
  ['CORS_EXPOSED_HEADERS', 'set-cookie', /set-cookie/],
  ['ALLOWED_HOSTS', 'http://api.example.com:8000/', /without scheme and port, such as api\.example\.com$/],
  ['ALLOWED_HOSTS', '*.example.com', /such as \.example\.com$/],
  ['ALLOWED_HOSTS', '"[::1]" "api.example.com"', /write ALLOWED_HOSTS=\[::1\],api\.example\.com$/],
];
for (const [variable, value, advice] of wrong) {
  test(`rejects ${variable}=${value} and says what to write`, () => {
    const errors = errorsOf({ [variable]: value });
    assert.equal(errors.length, 1, errors.join('\n'));
    assert.ok(errors[0]!.startsWith(variable), errors[0]);
    assert.match(errors[0]!, advice);
  });
}

const meantOrigins: [written: string, meant: string][] = [
  ['"https://a.example.com"', 'https://a.example.com'],
  ["'https://a.example.com','https://b.example.com'", 'https://a.example.com,https://b.example.com'],
  ['https://a.example.com;https://b.example.com', 'https://a.example.com,https://b.example.com'],
  ['https://a.example.com https://b.example.com', 'https://a.example.com,https://b.example.com'],
  ['["https://a.example.com", "https://b.example.com"]', 'https://a.example.com,https://b.example.com'],
  ['"*"', '*'],
];
for (const [written, meant] of meantOrigins) {
  test(`suggests CORS_ORIGINS for ${written}`, () => {
    const [error, ...rest] = errorsOf({ CORS_ORIGINS: written });
    assert.deepEqual(rest, []);
    assert.equal(/write CORS_ORIGINS=(.*)$/.exec(error!)?.[1], meant);
    assert.deepEqual(errorsOf({ CORS_ORIGINS: meant }), []);
  });
}

test('reports all errors at once', () => {
  const errors = errorsOf({ PORT: 'x', LOG: 'x', CORS_CREDENTIALS: 'true', CORS_MAX_AGE: 'x' });
  const named = errors.map((error) => error.split('=')[0]);
  assert.deepEqual(named.sort(), ['CORS_CREDENTIALS', 'CORS_MAX_AGE', 'LOG', 'PORT']);
});

test('asks the function in code about the origins that CORS_ORIGINS does not list', async () => {
  const asked: string[] = [];
  const origins = async (origin: string) => asked.push(origin) > 0 && origin === 'https://tenant.example';
  const environment = { CORS_ORIGINS: 'https://a.example,https://*.b.example' };
  const config = readConfig(environment, { corsInCode: { origins } });
  assert.deepEqual(config.errors, []);
  const allowed = config.server.cors.origins as (...parameters: unknown[]) => boolean | Promise<boolean>;
  assert.equal(await allowed('https://a.example'), true);
  assert.equal(await allowed('https://x.b.example'), true);
  assert.equal(await allowed('https://tenant.example'), true);
  assert.equal(await allowed('https://stranger.example'), false);
  assert.deepEqual(asked, ['https://tenant.example', 'https://stranger.example']);
});

test('takes a policy in code as it is if the environment has none', () => {
  const corsInCode: CorsOptions = { origins: () => true, credentials: true };
  const { errors, server } = readConfig({}, { corsInCode });
  assert.deepEqual(errors, []);
  assert.equal(server.cors.origins, corsInCode.origins);
  assert.equal(server.cors.credentials, true);
  assert.deepEqual(corsErrors(server.cors), []);
});

test('names the place of an error in the policy in code', () => {
  const { errors } = readConfig({}, { corsInCode: { credentials: true, maxAge: -1 } });
  assert.equal(errors.length, 2, errors.join('\n'));
  assert.match(errors[0]!, /^corsInCode\.credentials in src\/config\.ts: cannot be true with CORS_ORIGINS=\*/);
  assert.match(errors[1]!, /^corsInCode\.maxAge in src\/config\.ts: -1 is not a whole number/);
});

test('rejects a variable that the policy in code sets too', () => {
  const environment = { CORS_ORIGINS: '*', CORS_MAX_AGE: '5' };
  const { errors } = readConfig(environment, { corsInCode: { origins: () => true, maxAge: 6 } });
  assert.deepEqual(errors, [
    'CORS_ORIGINS=*: is set in src/config.ts too: remove one of them',
    'CORS_MAX_AGE=5: is set in src/config.ts too: remove one of them',
  ]);
});

const misspelt: Record<string, string> = {
  CORS_ORIGIN: 'CORS_ORIGINS',
  CORS_ALLOW_HEADERS: 'CORS_ALLOWED_HEADERS',
  CORS_CREDENTIAL: 'CORS_CREDENTIALS',
  cors_max_age: 'CORS_MAX_AGE',
  ALLOWED_HOST: 'ALLOWED_HOSTS',
  ALLOW_HOSTS: 'ALLOWED_HOSTS',
  BODYLIMIT: 'BODY_LIMIT',
  REQUEST_TIMOUT: 'REQUEST_TIMEOUT',
  HANDLER_TIMEUOT: 'HANDLER_TIMEOUT',
  SHUTDOWN_DELAYS: 'SHUTDOWN_DELAY',
  KEEPALIVETIMEOUT: 'KEEP_ALIVE_TIMEOUT',
  NOTES_LIMT: 'NOTES_LIMIT',
  port: 'PORT',
};
for (const [name, meant] of Object.entries(misspelt)) {
  test(`rejects ${name} and suggests ${meant}`, () => {
    assert.deepEqual(errorsOf({ [name]: '1' }), [`${name}: is not a setting: write ${meant}`]);
  });
}

for (const [name, meant] of [
  ['KEEPALIVE_TIMEOUT', 'KEEP_ALIVE_TIMEOUT'], ['REQUESTS_TIMEOUT', 'REQUEST_TIMEOUT'],
] as const) {
  test(`warns about ${name}, which other software has too`, () => {
    const { errors, warnings } = readConfig({ [name]: '75' });
    assert.deepEqual(errors, []);
    assert.deepEqual(warnings, [`${name}: ignored, because the setting is called ${meant}`]);
  });
}

test('rejects unknown CORS_ variables and lists the valid ones', () => {
  const [error, ...rest] = errorsOf({ CORS_ALLOW_ORIGIN: 'https://app.example.com' });
  assert.match(error!, /^CORS_ALLOW_ORIGIN: is not a setting: choose one of .*CORS_ORIGINS, CORS_CREDENTIALS, /);
  assert.deepEqual(rest, []);
});

const environments: Record<string, string> = {
  'a login shell': `
    HOSTNAME=laptop HOSTTYPE=x86_64 MACHTYPE=x86_64 OSTYPE=linux LOGNAME=ada USER=ada HOME=/home/ada PWD=/srv OLDPWD=/
    SHELL=/bin/bash SHLVL=1 PATH=/bin TERM=xterm LANG=C.UTF-8 LC_ALL=C TZ=UTC _=/usr/bin/env EDITOR=vi PAGER=less PS1=$
    DISPLAY=:0 XDG_SESSION_ID=1 COLORTERM=truecolor SSH_CONNECTION=1 WT_SESSION=1 VSCODE_IPC_HOOK_CLI=1 DEBUG=1`,
  'npm and Node': `
    NODE_ENV=production NODE_OPTIONS= NODE_VERSION=24 YARN_VERSION=1 INIT_CWD=/ npm_config_port=1 npm_config_host=a
    npm_package_name=a npm_lifecycle_event=start npm_config_loglevel=notice npm_node_execpath=/bin/node`,
  tcsh: 'HOST=build-7.example.com HOSTTYPE=x86_64-linux VENDOR=amd GROUP=users',
  conda: `
    HOST=x86_64-conda-linux-gnu BUILD=x86_64-conda-linux-gnu CONDA_PREFIX=/opt CONDA_BUILD_SYSROOT=/ CC=cc LD=ld
    CONDA_TOOLCHAIN_HOST=x86_64-conda-linux-gnu CONDA_TOOLCHAIN_BUILD=x86_64-conda-linux-gnu CMAKE_ARGS=-D`,
  Docker: 'HOSTNAME=4c01db0b339c HOME=/root PATH=/bin CONTAINER=docker DOCKER_HOST=unix:///run/docker.sock',
  'a container link named cors': `
    CORS_NAME=/api/cors CORS_PORT=tcp://172.17.0.5:80 CORS_PORT_80_TCP=tcp://172.17.0.5:80 CORS_ENV_VERSION=1
    CORS_PORT_80_TCP_ADDR=172.17.0.5 CORS_PORT_80_TCP_PORT=80 CORS_PORT_80_TCP_PROTO=tcp`,
  'Kubernetes with four services': `
    KUBERNETES_SERVICE_HOST=10.0.0.1 KUBERNETES_SERVICE_PORT=443 KUBERNETES_PORT=tcp://10.0.0.1:443
    KUBERNETES_PORT_443_TCP_ADDR=10.0.0.1 CORS_SERVICE_HOST=10.0.0.2 CORS_SERVICE_PORT=80 CORS_SERVICE_PORT_HTTP=80
    CORS_PORT=tcp://10.0.0.2:80 CORS_PORT_80_TCP=tcp://10.0.0.2:80 CORS_PROXY_SERVICE_HOST=10.0.0.3
    CORS_PROXY_PORT=tcp://10.0.0.3:80 CORS_PROXY_PORT_80_TCP_PROTO=tcp REDIS_SERVICE_HOST=10.0.0.4
    REDIS_PORT=tcp://10.0.0.4:6379 REDIS_PORT_6379_TCP=tcp://10.0.0.4:6379 NOTES_PORT=tcp://10.0.0.5:80
    NOTES_SERVICE_HOST=10.0.0.5`,
  'GitHub Actions': `
    CI=true GITHUB_ACTIONS=true GITHUB_WORKSPACE=/w GITHUB_REF=a GITHUB_TOKEN=a RUNNER_OS=Linux RUNNER_TEMP=/tmp
    RUNNER_DEBUG=1 ACTIONS_RUNTIME_URL=https://a CONDA=/usr/share/miniconda JAVA_HOME=/ ImageOS=ubuntu24`,
  Heroku: `
    DYNO=web.1 PORT=33507 WEB_CONCURRENCY=2 DATABASE_URL=postgres://a REDIS_URL=redis://a REDIS_TLS_URL=rediss://a
    HEROKU_APP_NAME=a HEROKU_POSTGRESQL_GRAY_URL=postgres://a STACK=heroku-24 SOURCE_VERSION=1`,
  Render: 'PORT=10000 RENDER=true RENDER_SERVICE_NAME=a RENDER_EXTERNAL_HOSTNAME=a.onrender.com RENDER_INSTANCE_ID=a',
  'Railway, Fly and Cloud Run': `
    PORT=8080 RAILWAY_PUBLIC_DOMAIN=a RAILWAY_TCP_PROXY_PORT=1 FLY_APP_NAME=a FLY_REGION=ams FLY_PUBLIC_IP=::1
    PRIMARY_REGION=ams K_SERVICE=a K_REVISION=a K_CONFIGURATION=a AWS_REGION=a`,
  systemd: `
    LISTEN_PID=1 LISTEN_FDS=1 LISTEN_FDNAMES=a INVOCATION_ID=a JOURNAL_STREAM=8:1 SYSTEMD_EXEC_PID=1 MAINPID=1
    NOTIFY_SOCKET=/run/a MEMORY_PRESSURE_WATCH=/sys LOGS_DIRECTORY=/var/log CREDENTIALS_DIRECTORY=/run`,
  'other software': `
    LOG_LEVEL=1 LOGS=1 LOGDIR=/ HOSTS=a HOST_IP=10.0.0.1 PORTS=1 PORT0=1 PORT1=1 REQUEST_METHOD=GET REMOTE_HOST=a
    NOTES_HOST=a API_KEY=a API_PORT=1 BODY_SIZE=1 TIMEOUT=1 HTTP_PROXY=http://a NO_PROXY=a PORTAGE_CONFIGROOT=/
    REQUESTS_TIMEOUT=10 KEEPALIVE_TIMEOUT=75 REQUESTS_CA_BUNDLE=/etc SMTP_PORT=25 KEY_1=a KEY_2=b`,
};
for (const [name, variables] of Object.entries(environments)) {
  const environment = Object.fromEntries(variables.trim().split(/\s+/).map((variable) => variable.split(/=(.*)/s)));
  test(`starts on 127.0.0.1 in the environment of ${name}`, () => {
    const { errors, host } = readConfig(environment);
    assert.deepEqual(errors, []);
    assert.equal(host, '127.0.0.1');
  });

  test(`mistakes no variable of ${name} for a setting of the owner`, () => {
    const reader = settingsReader(environment);
    for (const own of ['DATABASE_URL', 'REDIS_HOST', 'SMTP_HOST', 'AWS_REGION', 'SESSION_KEY_1']) reader.text(own);
    reader.rejectMistakes();
    assert.deepEqual(reader.errors.filter((error) => !error.startsWith('CORS_')), []);
  });
}

test('does not print a malformed list of the owner, which may be secret', () => {
  const { errors, list, rejectMistakes } = settingsReader({ API_TOKENS: 's3cret; s3cret' });
  assert.deepEqual(list('API_TOKENS'), ['s3cret', 's3cret']);
  rejectMistakes();
  assert.deepEqual(errors, ['API_TOKENS: must be a list separated by commas, without quotes']);
});

test('does not print a value in quotes, which may be a secret', () => {
  const { errors, text } = settingsReader({ API_KEY: '"s3cret"' });
  assert.equal(text('API_KEY'), 's3cret');
  assert.deepEqual(errors, ['API_KEY: must be written without quotes']);
});
