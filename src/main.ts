import { readFileSync } from 'node:fs';
import module from 'node:module';
import type { AddressInfo } from 'node:net';
import type { CorsOptions } from './http/index.ts';

// Node 22.8 and newer then keep what they compiled, and the next start takes three quarters of the time and of the
// memory. Not in the folder for temporary files, where any user of the machine could put something else in its place.
// Static imports would all be compiled before this line runs.
const { enableCompileCache } = module as { enableCompileCache?: (folder: string) => void };
enableCompileCache?.(`${import.meta.dirname}/../.cache`);
loadEnvironmentFile();

const { config } = await import('./config.ts');
if (config.faults.length > 0) giveUp(config.faults.join('\n'));
const { createServer, methodsOf, stopOnSignals, warmUp } = await import('./http/index.ts');
const { routes } = await import('./routes.ts');

warmUp(createServer({}));
const server = create();
// A proxy that reuses an idle connection must not find it closed: its own timeout has to be the shorter one.
server.keepAliveTimeout = config.keepAliveTimeout * 1000;

// See sd_listen_fds(3). Whoever started this process holds the socket too, so that a restart never closes it.
const isHandedOver = process.env['LISTEN_PID'] === String(process.pid);

server.once('error', (error: NodeJS.ErrnoException) => {
  const { host, port } = config;
  if (isHandedOver) giveUp(`LISTEN_PID=${process.pid}: descriptor 3 is not a socket (${error.code}): hand one over`);
  if (error.code === 'EADDRINUSE') {
    giveUp(`PORT=${port}: is already in use on ${host}: stop the process that listens there, or choose another PORT`);
  }
  if (error.code === 'EACCES') giveUp(`PORT=${port}: needs privileges: choose 1024 or above`);
  giveUp(`HOST=${host}: cannot listen there (${error.code ?? error.message}): write an address of this machine`);
});

server.listen(isHandedOver ? { fd: 3 } : { port: config.port, host: config.host }, () => {
  const { address, family, port } = (server.address() ?? {}) as Partial<AddressInfo>;
  if (!address) giveUp(`LISTEN_PID=${process.pid}: descriptor 3 is not a TCP socket: hand one over`);
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  console.log(config.log === 'json' ? JSON.stringify({ time: new Date(), listening: url }) : `Listening on ${url}`);
  if (config.log === 'text') console.log(overview().join('\n'));
});

// Under `npm run dev`, node waits for the end of the old process before it starts the new one.
const isWatched = process.env['WATCH_REPORT_DEPENDENCIES'] !== undefined;
stopOnSignals(server, isWatched ? { timeout: 0.2 } : config.shutdown);

/** What cannot be read would silently leave every setting at its default, CORS_ORIGINS too. */
function loadEnvironmentFile(): void {
  try {
    // Read once: it may be a pipe, in which a keeper of secrets hands it over.
    const text = readFileSync('.env', 'utf8');
    if (/[\0\ufeff\ufffd]/.test(text)) giveUp('.env: is not plain UTF-8: save it so, without a byte order mark');
    // Not by import, which would load all that is behind its exports.
    const { parseEnv } = module.createRequire(import.meta.url)('node:util') as typeof import('node:util');
    for (const [name, value] of Object.entries(parseEnv(text))) process.env[name] ??= value;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // There is none, or node's permission model, under which a deployment may run, hides it.
    if (code !== 'ENOENT' && code !== 'ERR_ACCESS_DENIED') giveUp(`.env: cannot be read (${code})`);
  }
}

function create() {
  try {
    return createServer(routes, { ...config.server, log: config.log });
  } catch (error) {
    return giveUp((error as Error).message);
  }
}

function giveUp(message: string): never {
  console.error(message);
  process.exit(1);
}

/** What a person wants to see at startup: the paths with their methods, and who may call them. */
function overview(): string[] {
  const width = Math.max(...Object.keys(routes).map((path) => path.length));
  const lines = Object.entries(routes).map(([path, HandlerClass]) => {
    const policy = HandlerClass.cors ? `   ${sentence(HandlerClass.cors as CorsOptions)}` : '';
    return `  ${path.padEnd(width)}  ${methodsOf(HandlerClass).join(', ')}${policy}`;
  });
  return [...lines, `CORS: ${sentence(config.server.cors)}`];
}

function sentence({ origins, credentials }: CorsOptions): string {
  const cookies = credentials ? 'with cookies' : 'without cookies';
  if (origins === '*') return `any page may call this API, ${cookies}`;
  if (typeof origins === 'function') return `pages that your function allows may call this API, ${cookies}`;
  return `pages from ${origins.join(', ')} may call this API, ${cookies}`;
}
