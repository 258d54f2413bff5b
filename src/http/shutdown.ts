import type { Server } from 'node:http';
import net from 'node:net';
import { setImmediate as afterPolling, setTimeout as sleep } from 'node:timers/promises';
import { abandon } from './ending.ts';
import type { Exchange, ServerState } from './exchange.ts';

/**
 * How long clients may still use a connection that they hold open, after the listener has closed, in milliseconds: a
 * request that is on its way to an idle connection would be lost if that closed at once.
 */
const GRACE = 400;
/** How often connections are looked at while they come to their end, in milliseconds. */
const POLL = 25;
/** How long new connections are let in before the listener closes, in milliseconds. */
const QUEUE = 1_000;
/** How long a person waits before being told for what, in milliseconds. */
const PATIENCE = 1_000;

const states = new WeakMap<Server, ServerState>();

/** Lets `shutdown` find the state of a server. */
export function registerForShutdown(server: Server, state: ServerState): void {
  states.set(server, state);
}

/**
 * Stops a server made by createServer without losing a request that it has let in, in this order:
 * RequestHandler.draining turns true; after `delay` seconds of serving on, the listener closes and every answer says
 * `Connection: close` (RFC 9112, section 9.6); then each connection closes once it has no request in hand.
 *
 * @param delay in seconds: how long a load balancer takes to notice
 * @param timeout in seconds, after the delay: what is left then is cut
 * @returns whether nothing had to be cut
 */
export async function shutdown(server: Server, { delay = 0, timeout = 10 } = {}): Promise<boolean> {
  const state = stateOf(server);
  state.draining = true;
  if (delay > 0) await sleep(delay * 1000);

  await letQueueIn(server);
  // In one tick: between the two, a client could be told to close and have nowhere to connect to, or the reverse.
  // http.Server's own close() would drop idle connections too, and stop the timer behind the timeouts.
  state.closing = true;
  net.Server.prototype.close.call(server);

  const closedAt = Date.now();
  const elapsed = () => Date.now() - closedAt;
  let hasSpoken = false;
  while (state.connections.size > 0 && elapsed() < timeout * 1000) {
    await sleep(POLL);
    // Where the process got no time for a while, what has arrived meanwhile is read before a connection counts as idle.
    await afterPolling();
    if (elapsed() >= GRACE) closeIdle(state);
    if (elapsed() < PATIENCE || hasSpoken) continue;
    hasSpoken = true;
    const waitedFor = inHand(state).map(({ request }) => `${request.method} ${request.url}`);
    const list = waitedFor.join(', ');
    if (list) state.log.say(`Stopping: waiting for ${list}; press Ctrl-C again to stop at once`);
  }
  const isClean = [...state.connections.values()].every((connection) => connection.inHand.length === 0);
  cut(state);
  return isClean;
}

function cut(state: ServerState): void {
  for (const exchange of inHand(state)) abandon(exchange, 'The server has stopped');
  for (const socket of state.connections.keys()) socket.destroy();
}

/** The kernel holds connections that were not let in yet, and would reset them with the listener. */
async function letQueueIn(server: Server): Promise<void> {
  let hasArrived = true;
  const note = () => (hasArrived = true);
  const deadline = Date.now() + QUEUE;
  server.on('connection', note);
  // Node lets in one at a turn, and the turn of the signal is half over.
  await afterPolling();
  while (hasArrived && Date.now() < deadline) {
    hasArrived = false;
    await afterPolling();
  }
  server.off('connection', note);
}

function inHand(state: ServerState): Exchange[] {
  return [...state.connections.values()].flatMap((connection) => connection.inHand.filter(({ isOver }) => !isOver));
}

function closeIdle(state: ServerState): void {
  for (const [socket, connection] of state.connections) {
    if (socket.writable && connection.inHand.length === 0) socket.destroy();
  }
}

interface StopOptions {
  delay?: number;
  timeout?: number;
  stopped?: () => unknown;
}

/**
 * Ends the process in order. SIGTERM and SIGINT stop the server without losing a request, and exit with 0, or with 1
 * where something had to be cut; a second signal exits at once with 1. After an exception that nothing caught, or a
 * rejection that nothing handled, what is in hand is still answered, and the process exits with 1: after a fault that
 * nobody foresaw, only a new process is known to be in order.
 *
 * @param delay of `shutdown`, in seconds; a fault waits for no load balancer
 * @param timeout of `shutdown`, in seconds
 * @param stopped is called once no request is in hand any more, and awaited for as long as `timeout`: the place to
 *   close a database
 */
export function stopOnSignals(server: Server, { delay = 0, timeout = 10, stopped = () => {} }: StopOptions = {}): void {
  const state = stateOf(server);
  let isStopping = false;
  const stop = async (exitCode: number, wait: number) => {
    isStopping = true;
    let isClean = await shutdown(server, { delay: wait, timeout });
    try {
      await Promise.race([stopped(), sleep(timeout * 1000)]);
    } catch (error) {
      isClean = false;
      state.log.error(error, 'stopped');
    }
    process.exit(isClean ? exitCode : 1);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      if (!isStopping) return void stop(0, delay);
      cut(state);
      process.exit(1);
    });
  }
  process.on('uncaughtException', (error, origin) => {
    state.log.error(error, `${origin}, which stops the server`);
    if (!isStopping) void stop(1, 0);
  });
  // Where nobody reads them any more, or the disk is full, a write fails: no reason to stop.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

function stateOf(server: Server): ServerState {
  const state = states.get(server);
  if (!state) throw new TypeError('This server was not made by createServer()');
  return state;
}
