import { utimes, watchFile } from 'node:fs';
import module from 'node:module';
import type { AddressInfo } from 'node:net';
import type { CorsOptions } from './http/index.ts';

const MIN_NODE = [20, 12] as const;
const [major, minor] = process.version.slice(1).split('.').map(Number) as [number, number];
if (major < MIN_NODE[0] || (major === MIN_NODE[0] && minor < MIN_NODE[1])) {
  exitWith(`Node ${process.version} is too old: install Node ${MIN_NODE.join('.')} or newer`);
}

// Modules are imported dynamically, so that the compile cache (Node 22.8 and newer) is enabled before they are
// compiled. It must not be in the folder for temporary files, where other users could tamper with it.
const { enableCompileCache } = module as { enableCompileCache?: (folder: string) => void };
enableCompileCache?.(`${import.meta.dirname}/../.cache`);

const isDev = process.argv.includes('--dev');
if (isDev) restartWhenEnvironmentFileChanges();

const { config } = await import('./config.ts');
for (const warning of config.warnings) console.error(warning);
if (config.errors.length > 0) {
  console.error(config.errors.join('\n'));
  // A change to .env or to a source file restarts this process.
  if (isDev) await new Promise(() => {});
  process.exit(1);
}
const { createServer, methodsOf, stopOnSignals, warmUp } = await import('./http/index.ts');
const { routes } = await import('./routes.ts');

// Sends a preflight to another server, which never listens. V8 would otherwise forget what it has learned from a few
// requests when the process idles, and `server` would become slower.
warmUp(createServer({}));
const server = create();
// Must be longer than the proxy's keep-alive timeout. Otherwise the proxy may reuse a connection that has just closed.
server.keepAliveTimeout = config.keepAliveTimeout * 1000;

// Socket activation, see sd_listen_fds(3): the parent process keeps the listening socket open across restarts.
const hasInheritedSocket = process.env['LISTEN_PID'] === String(process.pid);

server.once('error', onListenError);

function onListenError(error: NodeJS.ErrnoException): void {
  console.error(listenErrorMessage(error));
  // A change to .env or to a source file restarts this process.
  if (!isDev) process.exit(1);
}

function listenErrorMessage({ code, message }: NodeJS.ErrnoException): string {
  const { host, port } = config;
  const reason = code ?? message;
  if (hasInheritedSocket) {
    return `LISTEN_PID=${process.pid}: file descriptor 3 is not a socket (${reason}): pass a TCP socket`;
  }
  if (reason === 'EADDRINUSE') {
    return `PORT=${port}: is already in use on ${host}: stop the other process, or set a different PORT`;
  }
  if (reason === 'EACCES') return `PORT=${port}: requires elevated privileges: set a PORT of 1024 or above`;
  return `HOST=${host}: cannot listen there (${reason}): set an address of this machine, such as 127.0.0.1`;
}

server.listen(hasInheritedSocket ? { fd: 3 } : { port: config.port, host: config.host }, () => {
  // A later error does not come from listen(). Without a listener, it is an uncaught exception, which is logged.
  server.off('error', onListenError);
  const { address, family, port } = (server.address() ?? {}) as Partial<AddressInfo>;
  if (!address) exitWith(`LISTEN_PID=${process.pid}: file descriptor 3 is not a TCP socket: pass a TCP socket`);
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  console.log(config.log === 'json' ? JSON.stringify({ time: new Date(), listening: url }) : `Listening on ${url}`);
  if (config.log === 'text') console.log(overview().join('\n'));
});

// tsx watch waits for the old process to exit before it starts the new one.
const stopOptions = isDev ? { timeout: 0.2 } : config.shutdown;
stopOnSignals(server, stopOptions);

function create() {
  try {
    return createServer(routes, { ...config.server, log: config.log });
  } catch (error) {
    return exitWith((error as Error).message);
  }
}

function exitWith(message: string): never {
  console.error(message);
  process.exit(1);
}

/** Touches this file if .env changes: tsx watch ignores files whose name begins with a dot, even with --include. */
function restartWhenEnvironmentFileChanges(): void {
  watchFile('.env', { interval: 300 }, (now, before) => {
    if (now.mtimeMs === before.mtimeMs) return;
    utimes(import.meta.filename, new Date(), new Date(), (error) => {
      // In a container, the file may belong to another user.
      if (error) console.error(`.env has changed: restart the server (${error.code})`);
    });
  });
}

/** Returns the lines printed at start: each route with its methods and CORS policy. */
function overview(): string[] {
  const width = Math.max(...Object.keys(routes).map((path) => path.length));
  const lines = Object.entries(routes).map(([path, HandlerClass]) => {
    const policy = HandlerClass.cors ? `   ${describePolicy(HandlerClass.cors as CorsOptions)}` : '';
    return `  ${path.padEnd(width)}  ${methodsOf(HandlerClass).join(', ')}${policy}`;
  });
  return [...lines, `CORS: ${describePolicy(config.server.cors)}`];
}

function describePolicy({ origins, credentials }: CorsOptions): string {
  const cookies = credentials ? 'with cookies' : 'without cookies';
  if (origins === '*') return `any page may call this API, ${cookies}`;
  if (typeof origins === 'function') return `pages that your code allows may call this API, ${cookies}`;
  return `pages from ${origins.join(', ')} may call this API, ${cookies}`;
}
