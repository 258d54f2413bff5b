import type { IncomingMessage, ServerResponse } from 'node:http';
import { Stream, type Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { AnswerHead } from './answer-head.ts';
import { type Grant, UNGRANTED, isPreflight } from './cors/policy.ts';
import { Exchange, type Hooks, type ServerState } from './exchange.ts';
import { HttpError } from './http-error.ts';
import { type HandlerClass, RequestHandler } from './request-handler.ts';
import type { Resource } from './resource.ts';
import type { Match, Router } from './router.ts';
import { originForm } from './strictness.ts';

const REFUSED_ORIGIN = new HttpError(
  403, 'This API does not allow pages of this origin: see CORS_ORIGINS (in code: cors.origins)',
);
const INTERNAL_ERROR = new HttpError(500);

export interface Site {
  readonly state: ServerState;
  readonly faultOf: (request: IncomingMessage) => HttpError | undefined;
  readonly router: Router<Resource<HandlerClass>>;
  /** What is at a path that no route matches. */
  readonly unknown: Match<Resource<HandlerClass>>;
}

/**
 * Answers a request. The order is the same for all: protocol fault, refused origin, preflight, 404, 405, prepare(),
 * the method. Who asks is decided first, so that whatever is answered has the headers of the grant.
 */
export function dispatch(site: Site, request: IncomingMessage, response: ServerResponse): void {
  const connection = site.state.connections.get(request.socket);
  // RFC 9112, section 9.6: nothing is served behind a request or an answer that closes.
  if (connection?.closing) return void request.resume();
  const fault = site.faultOf(request);
  const target = fault ? '/' : originForm(request.url!);
  const { found, parameters } = (fault ? undefined : site.router.find(pathOf(target))) ?? site.unknown;
  const exchange = new Exchange(site.state, connection, request, response, found, parameters, target);
  const grant = found.policy.grant(request);
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
  // What prepare() has answered by itself is answered.
  const proceed = () => (exchange.stream || exchange.isOver ? undefined : handler[name]!());
  return isThenable(prepared) ? Promise.resolve(prepared).then(proceed) : proceed();
}

function notFound(site: Site, path: string): HttpError {
  const shorter = path.slice(0, -1);
  const advice = path.endsWith('/') && site.router.find(shorter) ? `: leave the last slash out, ${shorter}` : '';
  return new HttpError(404, `There is nothing at this path${advice}`);
}

/** The method returned `value`, and with that the answer ends: as in Python, it is over when the method is. */
function finish(exchange: Exchange, value: unknown): void {
  if (exchange.isOver) return;
  const handler = exchange.handler!;
  try {
    if (exchange.stream && value instanceof Stream) {
      finished(value as Writable).then(() => finish(exchange, undefined), (error: unknown) => fail(exchange, error));
      return;
    }
    if (value !== undefined) {
      handler.sendJson(value);
    } else if (!exchange.stream) {
      exchange.setBody('', '');
      handler.endHeaders();
    }
    if (exchange.body === undefined) endStream(exchange.stream!);
  } catch (error) {
    return fail(exchange, error);
  }
  conclude(exchange, false, false);
}

function endStream(stream: Writable): void {
  if (!stream.writableEnded && stream.listenerCount('unpipe') > 0) {
    throw new Error('A stream still flows into the answer, which ends when the method does: return or await it');
  }
  stream.end();
}

/** The method threw `error`, or is given up on because of it. What it had put into the head is dropped. */
export function fail(exchange: Exchange, error: unknown): void {
  if (exchange.isOver) return;
  const hasBegun = exchange.stream !== undefined;
  if (hasBegun || !(error instanceof HttpError)) logError(exchange, error);
  if (hasBegun) exchange.cut();
  else sendProblem(exchange, error instanceof HttpError ? error : INTERNAL_ERROR);
  // In the middle of its body a client that ends its half has left, as far as anyone can tell.
  const { complete, socket } = exchange.request;
  conclude(exchange, !complete && socket.readableEnded, hasBegun);
  exchange.abort(error);
}

/** Nobody waits for the answer any more: the client has left, or the server does. */
export function abandon(exchange: Exchange, reason: 'The client has left' | 'The server has stopped'): void {
  if (exchange.isOver) return;
  const clientLeft = reason === 'The client has left';
  conclude(exchange, clientLeft, !clientLeft);
  exchange.abort(new Error(reason));
}

function sendProblem(exchange: Exchange, problem: HttpError): void {
  try {
    startOver(exchange, problem);
    for (const [name, value] of Object.entries(problem.headers)) exchange.head.add(name, value);
    hooksOf(exchange).endHeaders();
  } catch (error) {
    logError(exchange, error);
    if (exchange.stream) return exchange.cut();
    // The problem cannot be sent, or an overridden hook throws: the engine's own headers can.
    startOver(exchange, INTERNAL_ERROR);
    exchange.grantHeaders();
    exchange.begin();
  }
}

function startOver(exchange: Exchange, problem: HttpError): void {
  exchange.head = new AnswerHead();
  exchange.head.status = problem.status;
  exchange.setBody(JSON.stringify(problem), 'application/problem+json');
}

function conclude(exchange: Exchange, clientLeft: boolean, cut: boolean): void {
  exchange.isOver = true;
  const milliseconds = Math.round((performance.now() - exchange.startedAt) * 1000) / 1000;
  const status = exchange.stream ? exchange.head.status : 0;
  try {
    hooksOf(exchange).logRequest({ status, milliseconds, clientLeft, cut });
  } catch (error) {
    logError(exchange, error);
  }
}

function logError(exchange: Exchange, error: unknown): void {
  try {
    hooksOf(exchange).logError(error);
  } catch (fault) {
    exchange.state.log.error(fault, 'logError');
  }
}

/** Where the class was not asked, or its constructor threw, RequestHandler's own. */
function hooksOf(exchange: Exchange): Hooks {
  return (exchange.handler ??= new RequestHandler(exchange));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}

function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}
