import type { Exchange } from '../exchange.ts';
import { HttpError } from '../http-error.ts';
import { waitsForMore } from '../request-body.ts';
import { CLOSE } from './request-validation.ts';

const RESPONSE_TIMEOUT = new HttpError(503, 'The response took longer than HANDLER_TIMEOUT', CLOSE);
const BODY_TIMEOUT = new HttpError(408, 'The body took too long to arrive', CLOSE);

/** Minimum of idleMs, however short the other timeouts are. */
const MIN_IDLE_MS = 60_000;
/** Node's timers cannot be longer. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

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
    maxResponseChecks: handlerMs === 0 ? Infinity : Math.ceil(handlerMs / checkIntervalMs),
    /** How many checks may pass while the server waits for the body. */
    maxBodyChecks: Math.ceil(requestMs / checkIntervalMs),
    /** How long a client may take to send the headers, and keep sending on a connection that the server has ended. */
    requestMs: Math.min(MAX_TIMER_MS, Math.ceil(requestMs)),
    /** How long a connection may be inactive while a request or a response is incomplete. */
    idleMs: Math.min(MAX_TIMER_MS, Math.max(MIN_IDLE_MS, Math.ceil(requestMs + handlerMs))),
  };
}

/**
 * Checks the timeouts of a request. The handler timeout runs until the response begins. The request timeout runs while
 * the server waits for more of the request's body.
 */
export function checkTimeouts(exchange: Exchange): void {
  const { connection, request, response, state: { timeouts } } = exchange;
  // The first check may come right after the request began, so a timeout takes one more check.
  const isResponseLate = !exchange.stream && ++exchange.responseChecks > timeouts.maxResponseChecks;
  const waitsForBody = !request.complete && (response.destroyed || waitsForMore(request));
  const isBodyLate = waitsForBody && ++exchange.bodyChecks > timeouts.maxBodyChecks;
  if (!isResponseLate && !isBodyLate) return;
  if (!exchange.isSettled) exchange.fail(waitsForBody ? BODY_TIMEOUT : RESPONSE_TIMEOUT);
  // There has been a response already.
  else if (response.destroyed) connection.end();
}
