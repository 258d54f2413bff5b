import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Grant, UNGRANTED, isPreflight } from './cors/policy.ts';
import { fail, finish } from './ending.ts';
import { Exchange, type ServerState } from './exchange.ts';
import type { HandlerClass } from './handler-class.ts';
import { HttpError } from './http-error.ts';
import { discard, hold, isUnread, takeInHand } from './in-hand.ts';
import type { Resource } from './resource.ts';
import type { Match, Router } from './router.ts';
import { originForm, pathOf } from './target.ts';

const REFUSED_ORIGIN = new HttpError(
  403, 'This API does not allow pages from this origin: see CORS_ORIGINS (in code: cors.origins)',
);

/** What the requests of one server are answered from. */
export interface Site {
  readonly state: ServerState;
  readonly faultOf: (request: IncomingMessage) => HttpError | undefined;
  readonly router: Router<Resource<HandlerClass>>;
  /** What answers a path that no route matches. */
  readonly unknown: Match<Resource<HandlerClass>>;
}

/** Answers a request. The grant is worked out first, so that errors have the right CORS headers too. */
export function dispatch(site: Site, request: IncomingMessage, response: ServerResponse): void {
  const connection = site.state.connections.get(request.socket);
  // RFC 9112, section 9.6: nothing is served after a request or an answer that closes.
  if (connection?.closing) {
    request.resume();
    return discard(request.socket);
  }
  const fault = site.faultOf(request);
  const target = fault ? '/' : originForm(request.url!);
  const { found, parameters } = (fault ? undefined : site.router.find(pathOf(target))) ?? site.unknown;
  const exchange = new Exchange(site.state, connection, request, response, found, parameters, target);
  if (connection) takeInHand(exchange, connection);
  if (connection && isUnread(connection)) hold(exchange, connection, () => decide(site, exchange, found, fault));
  else decide(site, exchange, found, fault);
}

function decide(
  site: Site, exchange: Exchange, found: Resource<HandlerClass>, fault: HttpError | undefined,
): void {
  const grant = found.policy.grant(exchange.request);
  if (grant instanceof Promise) void grant.then((decided) => answer(site, exchange, found, fault, decided));
  else answer(site, exchange, found, fault, grant);
}

function answer(
  site: Site, exchange: Exchange, resource: Resource<HandlerClass>, fault: HttpError | undefined,
  grant: Grant | undefined,
): void {
  if (exchange.isOver) return;
  exchange.grant = grant;
  exchange.isPreflight = grant !== undefined && grant !== UNGRANTED && isPreflight(exchange.request);
  try {
    const value = run(site, exchange, resource, fault);
    // A value that is there already is answered in the same tick.
    if (!isThenable(value)) finish(exchange, value);
    else Promise.resolve(value).then((result) => finish(exchange, result), (error: unknown) => fail(exchange, error));
  } catch (error) {
    fail(exchange, error);
  }
}

/** The order is the same for all: protocol fault, refused origin, preflight, 404, 405, prepare(), the method. */
function run(
  site: Site, exchange: Exchange, resource: Resource<HandlerClass>, fault: HttpError | undefined,
): unknown {
  if (fault) throw fault;
  if (!exchange.grant) throw REFUSED_ORIGIN;
  const handler = new resource.HandlerClass(exchange);
  exchange.handler = handler;
  if (exchange.isPreflight) return handler.doOptions();
  if (resource === site.unknown.found) {
    if (exchange.target === '*') return handler.doOptions();
    throw notFound(site, handler.path);
  }
  const name = resource.methods.get(exchange.request.method!) as 'doGet' | undefined;
  if (!name) throw resource.methodNotAllowed;
  if (!handler.prepare) return handler[name]!();
  const prepared = handler.prepare();
  // If prepare() has answered, the method does not run.
  const proceed = () => (exchange.stream || exchange.isOver ? undefined : handler[name]!());
  return isThenable(prepared) ? Promise.resolve(prepared).then(proceed) : proceed();
}

function notFound(site: Site, path: string): HttpError {
  const shorter = path.slice(0, -1);
  const advice = path.endsWith('/') && site.router.find(shorter) ? `: remove the slash at the end, ${shorter}` : '';
  return new HttpError(404, `There is nothing at this path${advice}`);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}
