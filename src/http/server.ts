import type { Server, ServerOptions as NodeOptions } from 'node:http';
import type { Socket } from 'node:net';
import { Log, type LogFormat } from './access-log.ts';
import { answerClientError, refuse } from './client-error.ts';
import { type CorsOptions, corsFaults } from './cors-options.ts';
import { CorsPolicy } from './cors.ts';
import { watchDeadlines } from './deadlines.ts';
import { Dispatcher } from './dispatch.ts';
import { HttpError } from './http-error.ts';
import { http } from './node-http.ts';
import { type HandlerClass, RequestHandler } from './request-handler.ts';
import { methodFaults, routeOf, unknownRoute } from './route.ts';
import { Router } from './router.ts';
import { runIn } from './run-in.ts';
import { ServerState } from './server-state.ts';
import { registerForShutdown } from './shutdown.ts';
import { Strictness, isHostName } from './strictness.ts';

/** Path -> class: `/notes`, or `/notes/:id` with what `param('id')` returns. */
export type Routes = Readonly<Record<`/${string}`, HandlerClass>>;

export interface ServerOptions {
  /** The policy of every class that has no `static cors`; left out: any page, without cookies. */
  cors?: CorsOptions;
  /** The names by which clients may call this server, without ports; left out: any. */
  allowedHosts?: readonly string[];
  /** The most that a body may have, in bytes; left out: 1 MiB. */
  bodyLimit?: number;
  /** How long head and body of a request may take to arrive, in seconds; left out: 30. */
  requestTimeout?: number;
  /** How long a method may take to begin its answer, in seconds; left out: 30; 0: as long as it likes. */
  handlerTimeout?: number;
  /** Left out: 'off'. */
  log?: LogFormat;
}

const NO_TUNNEL = new HttpError(405, 'This server is no proxy', { Allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS', Connection: 'close' });

/**
 * Makes a server that answers these routes; it does not listen yet.
 *
 * @throws Error that names all that cannot work in the routes, their classes and policies, a line each
 */
export function createServer(routes: Routes, options: ServerOptions = {}): Server {
  const { cors = { origins: '*' }, allowedHosts, bodyLimit = 1024 * 1024, requestTimeout = 30, handlerTimeout = 30, log = 'off' } = options;
  const faults: string[] = [];
  for (const [name, value] of Object.entries({ bodyLimit, requestTimeout, handlerTimeout })) {
    const isGood = Number.isFinite(value) && (value > 0 || (value === 0 && name === 'handlerTimeout'));
    if (!isGood) faults.push(`${name}: ${value} is not a number above 0`);
  }
  for (const host of allowedHosts ?? []) {
    if (!isHostName(host)) faults.push(`allowedHosts: ${host} is no host name: write one such as api.example.com, without scheme and port`);
  }
  const state = new ServerState(new Log(log), bodyLimit, Math.ceil((requestTimeout + handlerTimeout) * 1000));
  const policy = makePolicy('cors', cors, state.log, faults);
  const router = new Router(unknownRoute(policy));
  for (const [path, HandlerClass] of Object.entries(routes)) {
    if (!(HandlerClass?.prototype instanceof RequestHandler)) {
      faults.push(`${path}: write a class that extends RequestHandler`);
      continue;
    }
    faults.push(...methodFaults(HandlerClass));
    const own = HandlerClass.cors ? makePolicy(`${HandlerClass.name}.cors`, HandlerClass.cors, state.log, faults) : policy;
    const fault = router.add(routeOf(path, HandlerClass, own));
    if (fault) faults.push(fault);
  }
  if (faults.length) throw new Error(`The server cannot start:\n${faults.join('\n')}`);
  runIn(() => createServer({}, { handlerTimeout: 0 }));
  return serve(state, policy, new Dispatcher(state, new Strictness(allowedHosts), router), requestTimeout, handlerTimeout);
}

function makePolicy(name: string, options: CorsOptions, log: Log, faults: string[]): CorsPolicy {
  const found = corsFaults(options);
  faults.push(...found.map(({ option, message }) => `${name}.${option}: ${message}`));
  // With a fault there will be no server; any policy lets the other checks go on.
  return new CorsPolicy(found.length ? { origins: '*' } : options, name, log.error.bind(log));
}

function serve(state: ServerState, policy: CorsPolicy, dispatcher: Dispatcher, requestTimeout: number, handlerTimeout: number): Server {
  const settings: NodeOptions & { optimizeEmptyRequests: boolean } = {
    requestTimeout: Math.ceil(requestTimeout * 1000),
    headersTimeout: Math.ceil(requestTimeout * 1000),
    // Node looks every 30 seconds if left alone, which makes a timeout of 60 seconds one of 89.
    connectionsCheckingInterval: Math.ceil(Math.min(1, requestTimeout / 4) * 1000),
    // A header that comes twice is seen as the list that it is, instead of its first line alone.
    joinDuplicateHeaders: true,
    // Strictness says it with CORS headers.
    requireHostHeader: false,
    // Node 24.12 and newer: no stream is set up for the body of a request that has none.
    optimizeEmptyRequests: true,
  };
  const server = http.createServer(settings);
  const answer = dispatcher.dispatch.bind(dispatcher);
  // With listeners for the last two, node leaves 100 (Continue) and 417 to the engine.
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, answer);
  server.on('clientError', (error, socket) => answerClientError(state, policy, error, socket as Socket));
  server.on('connect', (_request, socket) => refuse(state, policy, NO_TUNNEL, socket as Socket));
  server.on('connection', (socket) => {
    state.connections.set(socket, {});
    // After a CONNECT node listens no longer, and an error that nobody listens for would stop the process.
    socket.on('error', () => {});
    socket.once('close', () => {
      state.connections.delete(socket);
      for (const answer of state.pending) if (answer.request.socket === socket) answer.leave();
    });
  });

  // A client that does not read, or that keeps a connection for nothing; not a stream that has nothing to say yet.
  server.on('timeout', (socket) => {
    const last = state.connections.get(socket)?.last;
    if (last && !last.response.writableEnded && socket.writableLength === 0) socket.setTimeout(state.readTimeout);
    else socket.destroy();
  });

  if (handlerTimeout > 0) {
    const timer = watchDeadlines(state, handlerTimeout);
    server.once('close', () => clearInterval(timer));
  }
  registerForShutdown(server, state);
  return server;
}
