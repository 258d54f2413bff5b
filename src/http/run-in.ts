import type { Server } from 'node:http';
import { Duplex } from 'node:stream';
import { createHook } from './node-builtins.ts';

/** V8 settles the size of a class with its seventh object. */
const REQUESTS = 8;
const PREFLIGHT =
  'OPTIONS / HTTP/1.1\r\nHost: run-in\r\nOrigin: http://run-in\r\nAccess-Control-Request-Method: GET\r\n\r\n';

/** For as long as the process: whether it has been run in, and then the tick. */
let kept: unknown;

/**
 * Has a server of its own answer a few preflights, once a process, on a connection that leads nowhere; no handler is
 * called. Without it, a server that is asked once or twice, then idles, is slower for good, for V8's full collection
 * forgets what objects look like of which none is alive:
 *
 * - A class's size is settled too early, and its objects become lists or dictionaries: up to 1.4 times the CPU time.
 * - In process.nextTick, which each request needs several times, V8 takes the object of a tick after the collection for
 *   another kind than before, and gives up on both: a tenth of a request. One that is kept keeps its kind.
 *
 * @param makeServer a server without routes; it is never listening
 */
export function runIn(makeServer: () => Server): void {
  if (kept) return;
  kept = true;
  let requests = REQUESTS;
  const connection = new Duplex({
    read() {
      if (requests-- > 0) return void this.push(PREFLIGHT);
      this.push(null);
      keepTick();
    },
    write: (_chunk, _encoding, done) => done(),
  });
  makeServer().emit('connection', Object.assign(connection, { setTimeout: () => connection }));
}

function keepTick(): void {
  const hook = createHook({ init: (_id, _type, _trigger, tick) => void (kept = tick) }).enable();
  process.nextTick(() => {});
  hook.disable();
}
