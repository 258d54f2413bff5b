import { setMaxListeners } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { type CorsOptions, corsErrors } from './cors/options.ts';
import { type CorsPolicy, corsPolicy } from './cors/policy.ts';
import type { Exchange } from './exchange.ts';
import { hostNameError } from './host-names.ts';
import { inspect } from './node/builtins.ts';
import type { Connection } from './node/connection.ts';
import { Log, type LogFormat } from './node/log.ts';
import { createNodeServer } from './node/node-server.ts';
import { requestValidation } from './node/request-validation.ts';
import { serverStates } from './node/shutdown.ts';
import { timeoutsOf } from './node/timeouts.ts';
import { RequestHandler } from './request-handler.ts';
import {
  type HandlerClass, type Resource, baseResource, classErrors, overrides, parameterErrors, resourceOf,
} from './resource.ts';
import { Router } from './router.ts';

/** Maps paths to classes. `/notes/:id` has a parameter for one segment, `/files/*path` one for the rest of the path. */
export type Routes = Readonly<Record<`/${string}`, HandlerClass>>;

export interface ServerOptions {
  /** The policy of every class without its own `static cors`. Default: any page, without cookies. */
  cors?: CorsOptions;
  /**
   * The host names that clients may use for this server, without ports. Default: any. `.example.com` means the domain
   * and its subdomains. IP addresses always work.
   */
  allowedHosts?: readonly string[];
  /** The longest body that readJson() and readBody() accept, in bytes. Default: 1 MiB. */
  bodyLimit?: number;
  /** How long the client may take for a request's headers, and as long again for its body, in seconds. Default: 30. */
  requestTimeout?: number;
  /**
   * How long a request may take until its response begins, in seconds, including the time to receive the body. 0 means
   * no limit. Timeouts are checked every second, or four times per timeout if that is more often. Default: 30.
   */
  handlerTimeout?: number;
  /** The format of the access log. Default: 'off'. */
  log?: LogFormat;
  /**
   * The class that responds if no handler of a route was constructed, as for unknown paths, denied origins and invalid
   * requests. Its endHeaders(), logRequest() and logError() apply to these responses. Default: RequestHandler.
   */
  baseHandler?: HandlerClass;
}

/** The state that all requests of one server share. */
export type ServerState = ReturnType<typeof compile>;

/**
 * Creates a server for these routes. It does not listen yet. If you add an 'upgrade' listener, such as for WebSockets,
 * it gets these requests before any check, so let it compare the Origin with originMatcher().
 *
 * @throws Error with all errors in the options, the routes, their classes and policies, one per line
 */
export function createServer(routes: Routes, options: ServerOptions = {}): Server {
  const state = compile(routes, options);
  // Each request may listen to this signal, and Node would warn of a leak from the eleventh listener on.
  setMaxListeners(0, state.shutdown.signal);
  const server = createNodeServer(state);
  serverStates.set(server, state);
  return server;
}

/** Checks the routes and options. Returns the state of the server, or throws an Error with all errors. */
function compile(routes: Routes, options: ServerOptions) {
  const { cors = { origins: '*' }, allowedHosts, bodyLimit = 1024 * 1024, log: logFormat = 'off' } = options;
  const { requestTimeout = 30, handlerTimeout = 30, baseHandler = RequestHandler } = options;
  const log = new Log(logFormat);
  const errors: string[] = [];
  const checkPositive = (name: string, value: number): void => {
    if (Number.isFinite(value) && value > 0) return;
    errors.push(`${name}: must be a finite number above 0, not ${inspect(value)}`);
  };
  checkPositive('bodyLimit', bodyLimit);
  checkPositive('requestTimeout', requestTimeout);
  if (handlerTimeout !== 0) checkPositive('handlerTimeout', handlerTimeout);
  for (const host of allowedHosts ?? []) {
    const error = hostNameError(host);
    if (error) errors.push(`allowedHosts: ${error}`);
  }

  const compilePolicy = (name: string, corsOptions: CorsOptions): CorsPolicy => {
    const found = corsErrors(corsOptions);
    errors.push(...found.map(({ option, message }) => `${name}.${option}: ${message}`));
    // A policy that has errors is replaced, so that the other checks can run. compile() throws below.
    return corsPolicy(found.length > 0 ? { origins: '*' } : corsOptions, name, log);
  };
  const policy = compilePolicy('cors', cors);
  const resources = new Map<HandlerClass, Resource>();
  const resourceFor = (place: string, value: HandlerClass): Resource => {
    const isHandlerClass = value === RequestHandler || value?.prototype instanceof RequestHandler;
    if (!isHandlerClass) errors.push(`${place}: must be a class that extends RequestHandler`);
    // Any other value is replaced, so that the other checks can run.
    const HandlerClass = isHandlerClass ? value : RequestHandler;
    const known = resources.get(HandlerClass);
    if (known) return known;
    const { name, cors: ownCors, bodyLimit: ownLimit } = HandlerClass;
    errors.push(...classErrors(HandlerClass));
    if (ownLimit !== undefined) checkPositive(`${name}.bodyLimit`, ownLimit);
    const ownPolicy = ownCors === undefined ? policy : compilePolicy(`${name}.cors`, ownCors);
    const resource = resourceOf(HandlerClass, ownPolicy, ownLimit ?? bodyLimit);
    resources.set(HandlerClass, resource);
    return resource;
  };
  const router = new Router();
  for (const [path, value] of Object.entries(routes)) errors.push(...router.add(path, resourceFor(path, value)));
  for (const HandlerClass of resources.keys()) errors.push(...parameterErrors(HandlerClass, routes));
  const base = resourceFor('baseHandler', baseHandler);
  if (errors.length > 0) throw new Error(`The server cannot start:\n${errors.join('\n')}`);

  return {
    log, router,
    connections: new Map<Socket, Connection>(),
    /** The match for a path that no route matches, for `OPTIONS *`, and for an invalid request. */
    baseMatch: { route: { resource: baseResource(base), pattern: '*', names: [] }, values: [] },
    requestErrorOf: requestValidation(allowedHosts),
    makeBaseHandler(exchange: Exchange): RequestHandler {
      try {
        return new baseHandler(exchange);
      } catch (error) {
        log.error(error, `${baseHandler.name} constructor`);
        return new RequestHandler(exchange);
      }
    },
    /** Whether logRequest() is called. If not, the clock is not read, because reading it has a measurable cost. */
    callsLogRequest: logFormat !== 'off' || [...resources.keys()].some((Class) => overrides(Class, 'logRequest')),
    timeouts: timeoutsOf(requestTimeout, handlerTimeout),
    /** Aborts when a graceful shutdown begins. */
    shutdown: new AbortController(),
    /** The number of methods that continue after sendJson() has completed their response. */
    continuingMethods: 0,
    /** Whether a shutdown has closed the listener. A response then closes its connection, unless others are queued. */
    isDraining: false,
  };
}
