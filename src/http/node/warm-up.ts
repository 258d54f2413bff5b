import type { Server } from 'node:http';
import { Duplex } from 'node:stream';
import { createHook } from './builtins.ts';

const PREFLIGHT =
  'OPTIONS / HTTP/1.1\r\nHost: warm-up\r\nOrigin: http://warm-up\r\nAccess-Control-Request-Method: GET\r\n\r\n';

/** One object of each kind that a request needs: a response, with all that it refers to, and a tick object. */
const kept: object[] = [];

/**
 * Has a server respond to a preflight over a connection that leads nowhere, and keeps the response alive; no handler of
 * a route is called. Call it once, when the process starts. A server that receives a few requests and then idles would
 * otherwise stay slower, because V8's full garbage collection forgets the shape of objects of which none is alive:
 *
 * - The size of a class is settled too early, and its objects become dictionaries.
 * - process.nextTick, which each request needs several times, meets two kinds of tick objects.
 *
 * The cost is measured in scripts/maintenance/bench/README.md.
 *
 * @param server one that never listens
 */
export function warmUp(server: Server): void {
  const connection = new Duplex({
    read() {
      this.push(PREFLIGHT);
      this.push(null);
      keepTick();
    },
    write: (_chunk, _encoding, done) => done(),
  });
  server.once('request', (_request, response) => void kept.push(response));
  server.emit('connection', Object.assign(connection, { setTimeout: () => connection }));
}

function keepTick(): void {
  const hook = createHook({ init: (_id, _type, _trigger, resource) => void kept.push(resource) }).enable();
  process.nextTick(() => {});
  hook.disable();
}
