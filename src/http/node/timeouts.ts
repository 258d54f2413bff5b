/** Minimum of idleMs, however short the other timeouts are. */
const MIN_IDLE_MS = 60_000;
/** Node's timers cannot be longer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Returns the timeouts of a server. Those of requests are counted in checks, so that requests need no timers.
 *
 * @param requestTimeout in seconds
 * @param handlerTimeout in seconds; 0: no limit
 */
export function timeoutsOf(requestTimeout: number, handlerTimeout: number) {
  const [requestMs, handlerMs] = [requestTimeout * 1000, handlerTimeout * 1000];
  const checkIntervalMs = Math.ceil(Math.min(1000, requestMs / 4, (handlerMs || Infinity) / 4));
  return {
    /** How often requests in flight are checked. */
    checkIntervalMs,
    /** How many checks may pass until the response begins. */
    responseChecks: handlerMs === 0 ? Infinity : Math.ceil(handlerMs / checkIntervalMs),
    /** How many checks may pass while the server waits for the body. */
    bodyChecks: Math.ceil(requestMs / checkIntervalMs),
    /** How long a client may take to send the headers, and keep sending on a connection that the server has ended. */
    requestMs: Math.min(MAX_TIMER_MS, Math.ceil(requestMs)),
    /** How long a connection may be inactive while a request or a response is incomplete. */
    idleMs: Math.min(MAX_TIMER_MS, Math.max(MIN_IDLE_MS, Math.ceil(requestMs + handlerMs))),
  };
}
