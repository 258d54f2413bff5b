import type { AddressInfo } from 'node:net';
import { readConfig } from './config.ts';
import { createServer, shutdown } from './http/index.ts';
import { routes } from './routes.ts';
import { startLines } from './start-lines.ts';

const { config, server } = start();
let isStopping = false;

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

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    if (isStopping) process.exit(1);
    void stop(0, config.shutdown.delay);
  });
}

// Also what a rejected promise that nobody handles becomes. What is in hand is still answered, but nothing new: after
// a fault that nobody foresaw, only a new process is known to be in order.
process.on('uncaughtException', (error) => {
  console.error(config.log === 'json' ? JSON.stringify({ time: new Date(), level: 'error', error: error.stack }) : error);
  if (!isStopping) void stop(1, 0);
});

async function stop(exitCode: number, delay: number): Promise<void> {
  isStopping = true;
  const isClean = await shutdown(server, { delay, timeout: config.shutdown.timeout });
  process.exit(isClean ? exitCode : 1);
}

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
