import type { Server, ServerOptions as NodeOptions } from 'node:http';
import { watchConnections } from './connection.ts';
import { type CorsOptions, corsFaults } from './cors/options.ts';
import { CorsPolicy } from './cors/policy.ts';
import { type Site, dispatch } from './dispatch.ts';
import type { ServerState } from './exchange.ts';
import { type HandlerClass, classFaults } from './handler-class.ts';
import { Log, type LogFormat } from './node/log.ts';
import { http } from './node-builtins.ts';
import { continueOnFirstRead } from './request-body.ts';
import { RequestHandler } from './request-handler.ts';
import { type Resource, resourceOf, unknownResource } from './resource.ts';
import { Router } from './router.ts';
import { runIn } from './run-in.ts';
import { registerForShutdown } from './shutdown.ts';
import { hostNameFault, strictness } from './strictness.ts';

/** Path -> class: `/notes`, `/notes/:id`, `/files/*path`. `:id` is one segment, `*path` the rest: see `param(name)`. */
export type Routes = Readonly<Record<`/${string}`, HandlerClass>>;

export interface ServerOptions {
  /** The policy of every class that has no `static cors`; default: any page, without cookies. */
  cors?: CorsOptions;
  /** The host names that clients may use for this server, without ports; default: any. An IP address always works. */
  allowedHosts?: readonly string[];
  /** The most that a body may have, in bytes; default: 1 MiB. */
  bodyLimit?: number;
  /** How long head and body of a request may take to arrive, in seconds; default: 30. */
  requestTimeout?: number;
  /**
   * How long a method may take to begin its answer, in seconds; default: 30; 0: as long as it likes. Both times are
   * checked every second, or every quarter of the time where that is less: the answer may be that late, never early.
   */
  handlerTimeout?: number;
  /** Default: 'off'. */
  log?: LogFormat;
}

/**
 * Makes a server that answers these routes; it does not listen yet.
 *
 * @throws Error that names all that cannot work in the routes, their classes and policies, a line each
 */
export function createServer(routes: Routes, options: ServerOptions = {}): Server {
  const { cors = { origins: '*' }, allowedHosts, bodyLimit = 1024 * 1024, log = 'off' } = options;
  const { requestTimeout = 30, handlerTimeout = 30 } = options;
  const faults: string[] = [];
  for (const [name, value] of Object.entries({ bodyLimit, requestTimeout, handlerTimeout })) {
    const mayBeZero = name === 'handlerTimeout';
    const isGood = Number.isFinite(value) && (value > 0 || (mayBeZero && value === 0));
    if (!isGood) faults.push(`${name}: ${value} is not ${mayBeZero ? '0 or ' : ''}a number above 0`);
  }
  for (const host of allowedHosts ?? []) {
    const fault = hostNameFault(host);
    if (fault) faults.push(`allowedHosts: ${fault}`);
  }

  const state: ServerState = {
    log: new Log(log),
    connections: new Map(),
    isTimed: log !== 'off' || Object.values(routes).some(overridesLogRequest),
    readTimeout: Math.ceil((requestTimeout + handlerTimeout) * 1000),
    draining: false,
    closing: false,
    sweeps: 0,
  };
  const policy = makePolicy('cors', cors, state.log, faults);
  const router = new Router<Resource<HandlerClass>>();
  for (const [path, HandlerClass] of Object.entries(routes)) {
    if (!(HandlerClass?.prototype instanceof RequestHandler)) {
      faults.push(`${path}: write a class that extends RequestHandler`);
      continue;
    }
    const { name, cors: ownCors, bodyLimit: ownLimit } = HandlerClass;
    faults.push(...classFaults(HandlerClass));
    if (ownLimit !== undefined && !(ownLimit > 0)) {
      faults.push(`${name}.bodyLimit: ${ownLimit} is not a number above 0`);
    }
    const itsPolicy = ownCors ? makePolicy(`${name}.cors`, ownCors as CorsOptions, state.log, faults) : policy;
    const fault = router.add(path, resourceOf(path, HandlerClass, itsPolicy, bodyLimit));
    if (fault) faults.push(fault);
  }
  // What is wrong with a class is said once, however many routes it has.
  if (faults.length) throw new Error(`The server cannot start:\n${[...new Set(faults)].join('\n')}`);
  // Once a process: without it, a server that idles after its first requests would be slower for good.
  runIn(() => createServer({}, { handlerTimeout: 0 }));

  const server = http.createServer(nodeOptions(requestTimeout));
  const unknown = { found: unknownResource(RequestHandler, policy, bodyLimit), parameters: new Map<string, string>() };
  const site: Site = { state, faultOf: strictness(allowedHosts), router, unknown };
  server.on('request', (request, response) => dispatch(site, request, response));
  // With listeners for these two, node leaves 100 (Continue) and 417 to the engine.
  server.on('checkExpectation', (request, response) => dispatch(site, request, response));
  server.on('checkContinue', (request, response) => {
    continueOnFirstRead(request, response);
    dispatch(site, request, response);
  });
  watchConnections(server, state, policy, handlerTimeout);
  registerForShutdown(server, state);
  return server;
}

function overridesLogRequest(HandlerClass: HandlerClass): boolean {
  return HandlerClass?.prototype?.logRequest !== RequestHandler.prototype.logRequest;
}

function makePolicy(name: string, options: CorsOptions, log: Log, faults: string[]): CorsPolicy {
  const found = corsFaults(options);
  faults.push(...found.map(({ option, message }) => `${name}.${option}: ${message}`));
  // With a fault there will be no server; any policy lets the other checks go on.
  return new CorsPolicy(found.length ? { origins: '*' } : options, name, log);
}

function nodeOptions(requestTimeout: number): NodeOptions & { optimizeEmptyRequests: boolean } {
  return {
    requestTimeout: Math.ceil(requestTimeout * 1000),
    headersTimeout: Math.ceil(requestTimeout * 1000),
    // Node looks every 30 seconds if left alone, which makes a timeout of 60 seconds one of 89.
    connectionsCheckingInterval: Math.ceil(Math.min(1, requestTimeout / 4) * 1000),
    // A header that comes twice is seen as the list that it is, instead of its first line alone.
    joinDuplicateHeaders: true,
    // strictness() says it with CORS headers.
    requireHostHeader: false,
    // Node 24.12 and newer: no stream is set up for the body of a request that has none.
    optimizeEmptyRequests: true,
  };
}
