import type { AddressInfo } from 'node:net';
import { readConfig } from './config.ts';
import { createServer, stopOnSignals } from './http/index.ts';
import { routes } from './routes.ts';
import { startLines } from './start-lines.ts';

const { config, server } = start();

server.once('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EADDRINUSE') giveUp(`PORT=${config.port}: is taken on ${config.host}: stop what listens there, or choose another PORT`);
  if (error.code === 'EACCES') giveUp(`PORT=${config.port}: is not yours to use: choose one from 1024 on`);
  giveUp(`HOST=${config.host}: cannot be listened on (${error.code ?? error.message}): write an address of this machine`);
});

// A proxy that reuses an idle connection must not find it closed: its own timeout has to be the shorter one.
server.keepAliveTimeout = config.keepAliveTimeout * 1000;

// See sd_listen_fds(3). Whoever started this process holds the socket too, so that a restart never closes it.
const isHandedOver = process.env['LISTEN_PID'] === String(process.pid);
server.listen(isHandedOver ? { fd: 3 } : { port: config.port, host: config.host }, () => {
  const { address, family, port } = server.address() as AddressInfo;
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  console.log(config.log === 'json' ? JSON.stringify({ time: new Date(), listening: url }) : `Listening on ${url}`);
  if (config.log === 'text') console.log(startLines(routes, config.server.cors).join('\n'));
});

stopOnSignals(server, {
  ...config.shutdown,
  logError: (error) =>
    console.error(config.log === 'json' ? JSON.stringify({ time: new Date(), level: 'error', error: (error as Error).stack }) : error),
});

function start() {
  try {
    const config = readConfig(process.env, process.stdout.isTTY === true);
    return { config, server: createServer(routes, { ...config.server, log: config.log }) };
  } catch (error) {
    return giveUp((error as Error).message);
  }
}

function giveUp(message: string): never {
  console.error(message);
  process.exit(1);
}
