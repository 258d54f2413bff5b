import type { Server } from 'node:http';
import { setImmediate as afterPolling, setTimeout as sleep } from 'node:timers/promises';
import type { ServerState } from '../server.ts';
import { closeListener } from './workarounds.ts';

/** How long idle connections stay open after the listener has closed, for requests that are already on their way. */
const IDLE_GRACE_MS = 400;
/** How often connections are checked while they drain. */
const CHECK_INTERVAL_MS = 25;
/** How long connections are accepted from the kernel's backlog before the listener closes. */
const MAX_BACKLOG_MS = 1_000;
/** How long a person waits before the log says what the server is waiting for. */
const SILENCE_MS = 1_000;
/** How long `stopped` may take at least, whatever is left of the timeout. */
const MIN_STOPPED_MS = 1_000;

const DEFAULT_TIMEOUT_SECONDS = 8;

const states = new WeakMap<Server, ServerState>();

/** Lets shutdown() find the state of a server. */
export function registerForShutdown(server: Server, state: ServerState): void {
  states.set(server, state);
}

function stateOf(server: Server): ServerState {
  const state = states.get(server);
  if (!state) throw new TypeError('This server was not created by createServer()');
  return state;
}

/**
 * Shuts a server down gracefully, without losing a request that it has accepted. RequestHandler.shutdownSignal aborts;
 * after `delay` seconds of serving as usual, the listener closes and every response closes its connection (RFC 9112,
 * section 9.6); then each connection closes when it has no request in flight.
 *
 * @param delay in seconds: how long a load balancer takes to notice; default: 0
 * @param timeout in seconds after the delay: what is in flight then is aborted; default: 8
 * @returns whether every request was completed
 */
export async function shutdown(
  server: Server, { delay = 0, timeout = DEFAULT_TIMEOUT_SECONDS } = {},
): Promise<boolean> {
  const state = stateOf(server);
  state.shutdown.abort();
  if (delay > 0) await sleep(delay * 1000);

  await acceptBacklog(server);
  // In the same tick, so that a client that is told to close does not open a connection to the closing listener.
  state.isClosing = true;
  closeListener(server);

  const closedAt = performance.now();
  const elapsed = () => performance.now() - closedAt;
  let isSilent = true;
  while (state.connections.size > 0 && elapsed() < timeout * 1000) {
    await sleep(CHECK_INTERVAL_MS);
    // If the event loop was blocked, what has arrived is read before a connection counts as idle.
    await afterPolling();
    if (elapsed() >= IDLE_GRACE_MS) closeIdleConnections(state);
    const inFlight = isSilent && elapsed() >= SILENCE_MS ? requestsInFlight(state) : '';
    if (inFlight) {
      isSilent = false;
      state.log.say(`Stopping: waiting for ${inFlight}; press Ctrl-C again to stop at once`);
    }
  }
  const isClean = [...state.connections.values()].every((connection) => connection.isIdle);
  abortAll(state);
  return isClean;
}

/** The kernel's backlog holds connections that Node has not accepted yet, and would reset them with the listener. */
async function acceptBacklog(server: Server): Promise<void> {
  const deadline = performance.now() + MAX_BACKLOG_MS;
  let accepted = 0;
  const count = () => accepted++;
  server.on('connection', count);
  // A signal interrupts the event loop after it has polled for connections.
  await afterPolling();
  for (let before = -1; before < accepted && performance.now() < deadline; ) {
    before = accepted;
    await afterPolling();
  }
  server.off('connection', count);
}

function closeIdleConnections({ connections }: ServerState): void {
  for (const { socket, isIdle } of connections.values()) if (isIdle && socket.writable) socket.destroy();
}

function requestsInFlight({ connections }: ServerState): string {
  const exchanges = [...connections.values()].flatMap(({ exchange, isIdle }) => (exchange && !isIdle ? exchange : []));
  return exchanges.map(({ request }) => `${request.method} ${request.url}`).join(', ');
}

function abortAll({ connections }: ServerState): void {
  for (const { exchange, isIdle, socket } of connections.values()) {
    if (exchange && !isIdle) exchange.abort();
    socket.destroy();
  }
}

export interface StopOptions {
  /** As for shutdown(), in seconds; an uncaught exception does not wait for a load balancer. */
  delay?: number;
  /** As for shutdown(), in seconds. */
  timeout?: number;
  /**
   * Called when no request is in flight any more: the place to close a database, and to send what an error tracker has
   * gathered. A promise is awaited for as long as is left of the timeout, and at least for a second.
   */
  stopped?: () => unknown;
}

/** Servers that stopOnSignals() stops before the process exits. */
const stoppable: { server: Server; options: StopOptions }[] = [];
let isStopping = false;
let hasSignal = false;
let exitCode = 0;

/**
 * Ends the process gracefully. SIGTERM, SIGINT and SIGHUP shut the server down and exit with 0, or with 1 if a request
 * was aborted; a second SIGTERM or SIGINT exits at once with 1. After an uncaught exception or an unhandled rejection,
 * requests in flight are completed and the process exits with 1, because the state of this process is unknown. If
 * several servers of a process call it, the process exits when the last of them has stopped.
 */
export function stopOnSignals(server: Server, options: StopOptions = {}): void {
  const { log } = stateOf(server);
  stoppable.push({ server, options });
  if (stoppable.length > 1) return;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.on(signal, () => {
      // A terminal that closes often sends two SIGHUP.
      if (hasSignal && signal === 'SIGHUP') return;
      if (hasSignal) {
        for (const other of stoppable) abortAll(stateOf(other.server));
        process.exit(1);
      }
      hasSignal = true;
      void stopAll(true);
    });
  }
  process.on('uncaughtException', (error, origin) => {
    log.error(error, `${origin}, which stops the server`);
    exitCode = 1;
    void stopAll(false);
  });
  // A write fails if the disk is full, or nobody reads the output: no reason to stop.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

async function stopAll(withDelay: boolean): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  await Promise.all(
    stoppable.map(({ server, options }) => stop(server, withDelay ? options : { ...options, delay: 0 })),
  );
  process.exit(exitCode);
}

async function stop(
  server: Server, { delay = 0, timeout = DEFAULT_TIMEOUT_SECONDS, stopped = () => {} }: StopOptions,
): Promise<void> {
  const deadline = performance.now() + (delay + timeout) * 1000;
  if (!(await shutdown(server, { delay, timeout }))) exitCode = 1;
  try {
    await Promise.race([stopped(), sleep(Math.max(MIN_STOPPED_MS, deadline - performance.now()))]);
  } catch (error) {
    exitCode = 1;
    stateOf(server).log.error(error, 'stopped');
  }
}
