// node --import=obey.js server.js:
// a server that collects its garbage when told to, and says what CPU time it has taken.
import { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
/** Until the connections of the requests so far are closed, and nothing holds what belongs to them, in milliseconds. */
const SETTLED = 100;

// A load comes in turns, and node would close a connection that waits for the next one.
const { listen } = Server.prototype;
Server.prototype.listen = function (...parameters) {
  this.keepAliveTimeout = 3_600_000;
  return listen.apply(this, parameters);
};

process.on('message', async (order) => {
  if (order === 'collect') {
    await sleep(SETTLED);
    collect();
  }
  process.send(process.cpuUsage());
});
// A server that is told to stop has nothing else to wait for.
process.channel.unref();
