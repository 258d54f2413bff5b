import type { IncomingMessage, ServerResponse } from 'node:http';
import { Exchange } from './exchange.ts';
import { HttpError } from './http-error.ts';
import { RequestHandler } from './request-handler.ts';
import type { Match } from './resource.ts';
import type { Route } from './route.ts';
import type { Router } from './router.ts';
import type { ServerState } from './server-state.ts';
import { type Strictness, originForm } from './strictness.ts';

const REFUSED_ORIGIN = new HttpError(403, 'This API does not allow pages of this origin: see CORS_ORIGINS (in code: cors.origins)');
const NOT_FOUND = new HttpError(404, 'There is nothing at this path');

/** Answers requests, each in the same order: protocol fault, refused origin, preflight, 404, 405, prepare(), the method. */
export class Dispatcher {
  readonly #state: ServerState;
  readonly #strictness: Strictness;
  readonly #router: Router;

  constructor(state: ServerState, strictness: Strictness, router: Router) {
    this.#state = state;
    this.#strictness = strictness;
    this.#router = router;
  }

  dispatch(request: IncomingMessage, response: ServerResponse): void {
    const fault = this.#strictness.fault(request);
    const target = fault ? '/' : originForm(request.url!);
    const query = target.indexOf('?');
    const match = fault ? this.#router.unknown : this.#router.find(query < 0 ? target : target.slice(0, query));
    const exchange = new Exchange(this.#state, match, request, response, target);
    try {
      const handler = (exchange.handler = new match.route.HandlerClass(exchange));
      const grant = match.route.policy.grant(request.headers.origin, request);
      let value: unknown;
      if (grant instanceof Promise) {
        value = grant.then((decided) => {
          exchange.decideGrant(decided);
          return this.#run(exchange, handler, match, fault);
        });
      } else {
        exchange.decideGrant(grant);
        value = this.#run(exchange, handler, match, fault);
      }
      if (!isThenable(value)) return exchange.finish(value);
      this.#state.await(exchange);
      Promise.resolve(value).then((result) => exchange.finish(result), (error: unknown) => exchange.fail(error));
    } catch (error) {
      // Where the constructor threw.
      exchange.handler ??= new RequestHandler(exchange);
      exchange.fail(error);
    }
  }

  #run(exchange: Exchange, handler: RequestHandler, match: Match<Route>, fault: HttpError | undefined): unknown {
    if (fault) throw fault;
    if (!exchange.grant) throw REFUSED_ORIGIN;
    if (exchange.isPreflight) return handler.doOptions();
    if (match === this.#router.unknown) {
      if (exchange.target === '*') return handler.doOptions();
      throw NOT_FOUND;
    }
    const method = match.route.methods.get(exchange.request.method!);
    if (!method) throw match.route.methodNotAllowed;
    const prepared = handler.prepare?.();
    return isThenable(prepared) ? Promise.resolve(prepared).then(() => method.call(handler)) : method.call(handler);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}
