import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CorsDecision } from './cors/policy.ts';
import { Exchange } from './exchange.ts';
import { HttpError } from './http-error.ts';
import type { Connection } from './node/connection.ts';

const DENIED_ORIGIN = new HttpError(
  403, 'This origin is not allowed: add it to CORS_ORIGINS, or to static cors of the class', {},
  { code: 'ORIGIN_NOT_ALLOWED' },
);
const NOT_REJECTED =
  'prepare() returned false or set a status of 300 or above, but the method would run: throw new HttpError(401), or ' +
  'call this.endHeaders() to redirect';

/**
 * Serves one request. The CORS policy decides before the request is handled, so that errors have the right CORS
 * headers too. Only an error that occurs while an async predicate decides, such as a timeout, has none.
 *
 * @param error to respond with, if the request cannot be served
 */
export function dispatch(
  connection: Connection, request: IncomingMessage, response: ServerResponse, error?: HttpError,
): void {
  const requestError = error ?? connection.state.requestErrorOf(request);
  const exchange = new Exchange(connection, request, response, requestError);
  connection.exchange = exchange;
  const decision = exchange.resource.policy.decide(request);
  if (decision instanceof Promise) void decision.then((decided) => respond(exchange, decided));
  else respond(exchange, decision);
}

function respond(exchange: Exchange, decision: CorsDecision): void {
  // While an async predicate decided, the client may have disconnected, or a timeout may have ended the exchange.
  if (exchange.isSettled) return;
  const { request, resource: { corsMethods, policy } } = exchange;
  exchange.decision = decision;
  // Read before the handler runs, which may change the headers of the request.
  exchange.corsHeaders = policy.headersFor(decision, request, corsMethods);
  try {
    const value = run(exchange);
    // A value that is not a promise is sent in the same tick.
    if (!isPromiseLike(value)) exchange.finish(value);
    else Promise.resolve(value).then((result) => exchange.finish(result), (error) => failMethod(exchange, error));
  } catch (error) {
    failMethod(exchange, error);
  }
}

/** Notes that the method has ended. Ends the exchange with its error, or the one that kept it from being called. */
function failMethod(exchange: Exchange, error: unknown): void {
  exchange.endMethod();
  exchange.fail(error);
}

/**
 * Constructs the handler and calls its method. Rejects, in this order, an invalid request, a denied origin, an unknown
 * path (404) and an unsupported method (405), and then calls prepare(). Allowed preflights and `OPTIONS *` skip the
 * 404, the 405 and prepare().
 */
function run(exchange: Exchange): unknown {
  const { decision, requestError, request, resource } = exchange;
  if (requestError) throw requestError;
  if (decision === 'denied') throw DENIED_ORIGIN;
  const handler = new resource.HandlerClass(exchange);
  exchange.handler = handler;
  if (decision === 'allowed preflight' || exchange.path === '*') return callMethod(exchange, 'doOptions');
  if (exchange.match === exchange.state.baseMatch) throw notFound(exchange);
  const name = resource.methods.get(request.method!);
  if (!name) throw resource.methodNotAllowed;
  const prepared = handler.prepare?.();
  if (isPromiseLike(prepared)) return Promise.resolve(prepared).then((value) => callMethod(exchange, name, value));
  return callMethod(exchange, name, prepared);
}

/**
 * Calls the method, unless prepare() has begun the response, or the exchange has ended while prepare() was pending.
 *
 * @param prepared what prepare() returned; an error is thrown, because the request was meant to be rejected
 */
function callMethod(exchange: Exchange, name: string, prepared?: unknown): unknown {
  if (prepared instanceof Error) throw prepared;
  const { handler, head, isSettled, stream } = exchange;
  if (stream || isSettled) return undefined;
  // Other frameworks end a request in this way, so the method must not run.
  if (prepared === false || (head.status >= 300 && handler!.prepare)) throw new Error(NOT_REJECTED);
  head.keepForError();
  return (handler as unknown as Record<string, () => unknown>)[name]!();
}

function notFound({ path, state }: Exchange): HttpError {
  const shorter = path.slice(0, -1);
  const hint = path.endsWith('/') && state.router.find(shorter) ? `: write ${shorter}, without the last slash` : '';
  return new HttpError(404, `No route matches this path${hint}`, {}, { code: 'NO_ROUTE' });
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}
