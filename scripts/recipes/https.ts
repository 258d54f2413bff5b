import type { Server } from 'node:http';
import { type Server as TlsServer, type TlsOptions, createServer } from 'node:tls';

/**
 * Returns a server that serves what `server` serves, but over HTTPS. In main.ts, call listen() on it instead. Timeouts,
 * the log and graceful shutdown remain those of `server`.
 *
 *     overTls(server, { key: readFileSync('key.pem'), cert: readFileSync('cert.pem') }).listen(8443);
 */
export function overTls(server: Server, options: TlsOptions): TlsServer {
  const tlsServer = createServer({ ALPNProtocols: ['http/1.1'], ...options }, (socket) => {
    server.emit('connection', socket);
  });
  // A graceful shutdown closes `server`.
  server.once('close', () => tlsServer.close());
  return tlsServer;
}
