import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RequestHandler, type Routes, type ServerOptions, createServer } from '../../src/http/index.ts';
import { ORIGINS } from './loads.ts';
import { type ServerProcess, startServer } from './server-process.ts';

/** The Python example. */
export class EchoHandler extends RequestHandler {
  override doGet() {
    return { status: 'OK' };
  }

  override async doPost() {
    return { status: 'OK', received: await this.readJson() };
  }
}

/** This server with the options of `npm start`, but for CORS and the log. */
export function ourServer(routes: Routes = { '/': EchoHandler }, options: ServerOptions = {}): Server {
  const cors = { origins: ORIGINS, credentials: true };
  return createServer(routes, { cors, allowedHosts: ['localhost', '127.0.0.1', '[::1]'], log: 'off', ...options });
}

/** Resolves with the port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** This server as `npm start` runs it, a process of its own; its own StatusHandler answers as EchoHandler does. */
export function startMain(more: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  const environment = { PORT: '0', LOG: 'off', CORS_ORIGINS: ORIGINS.join(','), CORS_CREDENTIALS: 'true', ...more };
  return startServer(process.execPath, [...process.execArgv, new URL('../../src/main.ts', import.meta.url).pathname], environment);
}
