import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Routes, ServerOptions } from '../../../src/http/index.ts';
import * as engine from '../../../src/http/index.ts';
import { ORIGINS } from './loads.ts';
import { type ServerProcess, type StartOptions, startServer } from './server-process.ts';

/** The exports of `src/http/`, here or in another checkout. */
export type Engine = typeof engine;

const MAIN = new URL('../../../src/main.ts', import.meta.url).pathname;

interface Options extends ServerOptions {
  /** The default is the Python example. */
  readonly routes?: Routes;
}

/** The Python example. */
export const EchoHandler = echoHandler(engine);

export function echoHandler({ RequestHandler }: Engine) {
  return class EchoHandler extends RequestHandler {
    override doGet() {
      return { status: 'OK' };
    }

    override async doPost() {
      return { status: 'OK', received: await this.readJson() };
    }
  };
}

/** The engines that have been warmed up, as main.ts does when it starts. */
const warm = new Set<Engine>();

/** This server with the options of `npm start`, but for CORS and the log. */
export function ourServer({ routes = { '/': EchoHandler }, ...options }: Options = {}, from: Engine = engine): Server {
  if (!warm.has(from)) from.warmUp(from.createServer({}));
  warm.add(from);
  const cors = { origins: ORIGINS, credentials: true };
  const allowedHosts = ['localhost', '127.0.0.1', '[::1]'];
  return from.createServer(routes, { cors, allowedHosts, log: 'off', ...options });
}

/** Resolves with the port. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Starts this server in its own process, as `npm start` does. Its StatusHandler responds like EchoHandler. */
export function startMain({ environment, ...options }: StartOptions = {}, program = MAIN): Promise<ServerProcess> {
  const ours = { PORT: '0', LOG: 'off', CORS_ORIGINS: ORIGINS.join(','), CORS_CREDENTIALS: 'true', ...environment };
  return startServer(process.execPath, [...process.execArgv, program], { ...options, environment: ours });
}
