import type { Server } from 'node:http';
import { Duplex } from 'node:stream';
import { createHook } from './builtins.ts';

const PREFLIGHT =
  'OPTIONS / HTTP/1.1\r\nHost: warm-up\r\nOrigin: http://warm-up\r\nAccess-Control-Request-Method: GET\r\n\r\n';

/** Objects that nothing reads. While they are referenced, V8 keeps their hidden classes. */
const keptAlive: object[] = [];

/**
 * Sends a preflight to a server over a connection in memory, and keeps the response referenced, with all that it refers
 * to. Call it once, when the process starts. V8's full garbage collection discards a hidden class that no object uses
 * any more. Without warmUp(), a server that handles a few requests and then idles would stay slower:
 *
 * - V8 fixes the number of fields in a class too early, and its objects become dictionaries.
 * - process.nextTick, which each request calls several times, meets tick objects of two hidden classes.
 *
 * The cost is measured in scripts/maintenance/bench/README.md.
 *
 * @param server that does not listen, so that the preflight is its first request
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
  server.once('request', (_request, response) => void keptAlive.push(response));
  server.emit('connection', connection);
}

/** Keeps the tick object of a process.nextTick(), which only an async hook can see. */
function keepTick(): void {
  const hook = createHook({ init: (_id, _type, _trigger, resource) => void keptAlive.push(resource) }).enable();
  process.nextTick(() => {});
  hook.disable();
}
