import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type Routes, type ServerOptions, createServer } from '../src/http/index.ts';

export interface Listening {
  server: Server;
  port: number;
  /** `http://127.0.0.1:12345`, without a slash at the end. */
  url: string;
}

/** Starts a server on a free port, and closes it after the test. */
export async function listen(
  t: Pick<TestContext, 'after'>, routes: Routes, options: ServerOptions = {},
): Promise<Listening> {
  const server = createServer(routes, options);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { server, port, url: `http://127.0.0.1:${port}` };
}
