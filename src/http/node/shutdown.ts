import type { Server } from 'node:http';
import { setImmediate as afterPolling, setTimeout as sleep } from 'node:timers/promises';
import type { Exchange } from '../exchange.ts';
import type { ServerState } from '../server.ts';
import { MAX_TIMER_MS } from './timeouts.ts';
import { closeListener } from './workarounds.ts';

/** How long idle connections stay open after the listener has closed, for requests that are already on their way. */
const IDLE_GRACE_MS = 400;
/** How often connections are checked while they drain. */
const CHECK_INTERVAL_MS = 25;
/** How long connections are accepted from the kernel's backlog before the listener closes. */
const MAX_BACKLOG_MS = 1_000;
/** Delay before the log names the requests in flight. */
const NOTICE_DELAY_MS = 1_000;
/** Minimum time for `stopped`. */
const MIN_STOPPED_MS = 1_000;

const DEFAULT_TIMEOUT_SECONDS = 8;

/** The states of the servers that shutdown() can stop. createServer() adds each of them. */
export const serverStates = new WeakMap<Server, ServerState>();

function stateOf(server: Server): ServerState {
  const state = serverStates.get(server);
  if (!state) throw new TypeError('This server is not from createServer(): pass what createServer() returned');
  return state;
}

/**
 * Shuts a server down gracefully. RequestHandler.shutdownSignal aborts, and the server serves for `delay` more seconds.
 * Then the listener closes, every response closes its connection (RFC 9112, section 9.6), and idle connections are
 * closed. Requests in flight are completed, unless the timeout expires. The same holds for methods that continue after
 * sendJson().
 *
 * @param delay in seconds: how long a load balancer takes to notice the shutdown; default: 0
 * @param timeout in seconds after the listener has closed; requests in flight are then aborted; default: 8
 * @returns whether every request was completed, and every such method
 */
export async function shutdown(
  server: Server, { delay = 0, timeout = DEFAULT_TIMEOUT_SECONDS } = {},
): Promise<boolean> {
  const state = stateOf(server);
  state.shutdown.abort();
  await sleep(delay * 1000);

  await acceptBacklog(server);
  // Both in one tick, so that a client whose connection closes cannot reconnect before the listener is closed.
  state.isDraining = true;
  closeListener(server);

  const closedAtMs = performance.now();
  const notice = setTimeout(() => logRequestsInFlight(state), NOTICE_DELAY_MS);
  while (state.connections.size + state.continuingMethods > 0 && performance.now() < closedAtMs + timeout * 1000) {
    await sleep(CHECK_INTERVAL_MS);
    // If the event loop was blocked, the data that has arrived is read before a connection counts as idle.
    await afterPolling();
    if (performance.now() < closedAtMs + IDLE_GRACE_MS) continue;
    // A socket that the server has ended stays open for a while, so that the client can read the response.
    for (const { socket, isIdle } of state.connections.values()) if (isIdle && socket.writable) socket.destroy();
  }
  clearTimeout(notice);
  return abortAll(state);
}

/** Accepts the connections in the kernel's backlog, which closing the listener would reset. */
async function acceptBacklog(server: Server): Promise<void> {
  const deadlineMs = performance.now() + MAX_BACKLOG_MS;
  let hasAccepted = true;
  const onConnection = () => (hasAccepted = true);
  server.on('connection', onConnection);
  // Node runs signal handlers after it has polled for connections, so the first wait is for the next poll.
  await afterPolling();
  while (hasAccepted && performance.now() < deadlineMs) {
    hasAccepted = false;
    await afterPolling();
  }
  server.off('connection', onConnection);
}

function exchangesInFlight({ connections }: ServerState): Exchange[] {
  return [...connections.values()].flatMap(({ exchange, isIdle }) => (exchange && !isIdle ? exchange : []));
}

function logRequestsInFlight(state: ServerState): void {
  const requests = exchangesInFlight(state).map(({ request }) => `${request.method} ${request.url}`).join(', ');
  const hint = hasSignal ? '; press Ctrl-C again to stop at once' : '';
  if (requests) state.log.say(`Stopping: waiting for ${requests}${hint}`);
  else if (state.continuingMethods) state.log.say(`Stopping: waiting for methods that have responded${hint}`);
}

/** Closes all connections. Returns whether every request was completed. */
function abortAll(state: ServerState): boolean {
  const exchanges = exchangesInFlight(state);
  for (const exchange of exchanges) exchange.abort();
  for (const { socket } of state.connections.values()) socket.destroy();
  return exchanges.length + state.continuingMethods === 0;
}

interface StopOptions {
  /** As for shutdown(), in seconds. After an uncaught exception, the delay is 0. */
  delay?: number;
  /** As for shutdown(), in seconds. */
  timeout?: number;
  /**
   * A function that is called when no request is in flight any more. It may close a database, or flush an error
   * tracker. A promise is awaited for the rest of the timeout, and at least for a second. If
   * it takes longer, that is logged.
   */
  stopped?: () => unknown;
}

/** The servers of this process, which exits when all of them have stopped. */
const stoppable: { server: Server; options: StopOptions }[] = [];
let isStopping = false;
let hasSignal = false;

/**
 * Ends the process gracefully. SIGTERM, SIGINT and SIGHUP shut the server down and exit with 0, or with 1 if a request
 * or method was cut off, or `stopped` failed. A later SIGTERM or SIGINT exits immediately with 1. After an uncaught
 * exception or an unhandled rejection, requests in flight are completed and the process exits with 1, because its state
 * is unknown. If it is called for several servers, the process exits when the last of them has stopped.
 */
export function stopOnSignals(server: Server, options: StopOptions = {}): void {
  const { log } = stateOf(server);
  if (stoppable.push({ server, options }) > 1) return;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, onSignal);
  process.on('uncaughtException', (error, origin) => {
    log.error(error, `${origin}, which stops the server`);
    process.exitCode = 1;
    void stopAll({ delay: 0 });
  });
  // Failed writes, to a full disk or a closed pipe, must not stop the server.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

function onSignal(signal: NodeJS.Signals): void {
  // A terminal that closes often sends two SIGHUP.
  if (hasSignal && signal !== 'SIGHUP') {
    for (const { server } of stoppable) abortAll(stateOf(server));
    process.exit(1);
  }
  hasSignal = true;
  void stopAll();
}

async function stopAll(overrides: StopOptions = {}): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  await Promise.all(stoppable.map(({ server, options }) => stop(server, { ...options, ...overrides })));
  process.exit();
}

async function stop(server: Server, options: StopOptions): Promise<void> {
  const { delay = 0, timeout = DEFAULT_TIMEOUT_SECONDS, stopped } = options;
  const deadlineMs = performance.now() + (delay + timeout) * 1000;
  if (!(await shutdown(server, { delay, timeout }))) process.exitCode = 1;
  const stoppedMs = Math.min(MAX_TIMER_MS, Math.max(MIN_STOPPED_MS, deadlineMs - performance.now()));
  try {
    const late = sleep(stoppedMs, new Error('It took too long, so the process exits before its end'));
    const error = await Promise.race([(async () => void (await stopped?.()))(), late]);
    if (error) stateOf(server).log.error(error, 'stopped');
  } catch (error) {
    process.exitCode = 1;
    stateOf(server).log.error(error, 'stopped');
  }
}
