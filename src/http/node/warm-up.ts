import type { Server } from 'node:http';
import { Duplex } from 'node:stream';
import { createHook } from './builtins.ts';

/** One more than the seven objects after which V8 settles the size of a class. */
const REQUESTS = 8;
const PREFLIGHT =
  'OPTIONS / HTTP/1.1\r\nHost: warm-up\r\nOrigin: http://warm-up\r\nAccess-Control-Request-Method: GET\r\n\r\n';

/** Kept alive, so that V8 does not forget the shape of tick objects. */
let tick: unknown;

/**
 * Has a server respond to a few preflights over a connection that leads nowhere; no handler of a route is called. Call
 * it once, when the process starts. A server that receives one or two requests and then idles would otherwise stay
 * slower, because V8's full garbage collection forgets the shape of objects of which none is alive:
 *
 * - The size of a class is settled too early, and its objects become dictionaries.
 * - process.nextTick, which each request needs several times, meets two kinds of tick objects.
 *
 * The cost is measured in scripts/maintenance/bench/README.md.
 *
 * @param server one that never listens
 */
export function warmUp(server: Server): void {
  let requests = REQUESTS;
  const connection = new Duplex({
    read() {
      if (requests-- > 0) return void this.push(PREFLIGHT);
      this.push(null);
      keepTick();
    },
    write: (_chunk, _encoding, done) => done(),
  });
  server.emit('connection', Object.assign(connection, { setTimeout: () => connection }));
}

function keepTick(): void {
  const hook = createHook({ init: (_id, _type, _trigger, resource) => void (tick ??= resource) }).enable();
  process.nextTick(() => {});
  hook.disable();
}
