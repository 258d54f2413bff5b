import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Lifetime } from '../../scripts/cors/launch-browser.ts';

/** Starts a server on a free port until the end of the lifetime, and returns its port. */
export async function serve(lifetime: Lifetime, server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  lifetime.after(async () => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
