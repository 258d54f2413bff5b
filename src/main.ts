import module from 'node:module';
import type { AddressInfo } from 'node:net';
import type { CorsOptions } from './http/index.ts';

// Node 22.8 and newer then keep what they compiled, in the folder for temporary files, and the next start takes three
// quarters of the time and of the memory. Static imports would all be compiled before this line runs.
(module as { enableCompileCache?: () => void }).enableCompileCache?.();
try {
  process.loadEnvFile();
} catch (error) {
  // There is none, or node's permission model, under which a deployment may run, hides it.
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code !== 'ENOENT' && code !== 'ERR_ACCESS_DENIED') throw error;
}

const { config } = await import('./config.ts');
if (config.faults.length > 0) giveUp(config.faults.join('\n'));
const { createServer, methodsOf, stopOnSignals } = await import('./http/index.ts');
const { routes } = await import('./routes.ts');

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
  const { address, family, port } = server.address() as AddressInfo;
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  console.log(config.log === 'json' ? JSON.stringify({ time: new Date(), listening: url }) : `Listening on ${url}`);
  if (config.log === 'text') console.log(overview().join('\n'));
});

// Under `npm run dev`, node waits for the end of the old process before it starts the new one.
const isWatched = process.env['WATCH_REPORT_DEPENDENCIES'] !== undefined;
stopOnSignals(server, isWatched ? { timeout: 0.2 } : config.shutdown);

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
