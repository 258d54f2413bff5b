import type { Server } from 'node:http';
import { type Server as TlsServer, type TlsOptions, createServer } from 'node:tls';

/**
 * Returns a server that serves what `server` serves, but over HTTPS. Timeouts, the log and graceful shutdown remain
 * those of `server`. In main.ts, import readFileSync and, below the routes, overTls. Then write this in place of
 * `server.listen(`, and `https` in the URL below it:
 *
 *     overTls(server, { key: readFileSync('key.pem'), cert: readFileSync('certificate.pem') }).listen(
 *
 * A renewed certificate needs a restart, or setSecureContext() of the returned server.
 */
export function overTls(server: Server, options: TlsOptions): TlsServer {
  const handshakeTimeout = server.headersTimeout;
  const tlsServer = createServer({ ALPNProtocols: ['http/1.1'], handshakeTimeout, ...options }, (socket) => {
    server.emit('connection', socket);
  });
  // Unlike node:https, node:tls only reports a handshake that takes too long.
  tlsServer.on('tlsClientError', (_error, socket) => socket.destroy());
  // main.ts asks `server` for its address, and handles its errors.
  server.address = () => tlsServer.address();
  tlsServer.on('error', (error) => server.emit('error', error));
  // A graceful shutdown closes `server`.
  server.once('close', () => tlsServer.close());
  return tlsServer;
}
