import type { AddressInfo } from 'node:net';
import { readConfig } from './config.ts';
import { createServer, stopOnSignals } from './http/index.ts';
import { routes } from './routes.ts';
import { startLines } from './start-lines.ts';

const { config, server } = start();

server.once('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EADDRINUSE') giveUp(`PORT=${config.port}: is already in use on ${config.host}: stop what listens there, or choose another PORT`);
  if (error.code === 'EACCES') giveUp(`PORT=${config.port}: needs privileges: choose 1024 or above`);
  giveUp(`HOST=${config.host}: cannot be listened on (${error.code ?? error.message}): write an address of this machine`);
});

server.listen(config.port, config.host, () => {
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
