// node --import=measured.js server.js: lets the parent process collect garbage in the server and query its CPU time.
import { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
/** The time after which the connections of earlier requests are closed and nothing refers to them. */
const SETTLED_AFTER_MS = 100;

// Keep connections open between blocks.
const { listen } = Server.prototype;
Server.prototype.listen = function (...parameters) {
  this.keepAliveTimeout = 3_600_000;
  return listen.apply(this, parameters);
};

process.on('message', async (order) => {
  if (order === 'collect') {
    await sleep(SETTLED_AFTER_MS);
    collect();
  }
  process.send(process.cpuUsage());
});
// The channel must not keep a server running that has stopped.
process.channel.unref();
