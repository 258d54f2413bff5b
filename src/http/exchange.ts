import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { AnswerHead } from './answer-head.ts';
import { openBody } from './answer-stream.ts';
import { type Grant, UNGRANTED, mirroredHeaders } from './cors/policy.ts';
import type { AccessLogEntry, Log } from './node/log.ts';
import { hasUnreadBody } from './request-body.ts';
import type { Resource } from './resource.ts';

/** What all requests of one server share. */
export interface ServerState {
  readonly log: Log;
  readonly connections: Map<Socket, Connection>;
  /** Whether anyone is told how long an answer took: two looks at a clock cost a request 2 %. */
  readonly isTimed: boolean;
  /** How long a client may leave its answer unread, in milliseconds. */
  readonly readTimeout: number;
  /** The server is about to stop: /health says so, everything else goes on as usual. */
  draining: boolean;
  /** The listener is closed: every answer from now on says `Connection: close`. */
  closing: boolean;
  /** How often the deadlines have been looked at: a clock that costs nothing to read. */
  sweeps: number;
}

/** What one connection has in hand. */
export interface Connection {
  readonly address: string | undefined;
  /** From the oldest to the newest, each until its answer has left and is closed: answers leave in order. */
  readonly inHand: Exchange[];
  /** Requests that wait until the answers before them have been read. */
  readonly held: (() => void)[];
  /** The bodies of all answers that have begun and are in hand, in characters. */
  unread: number;
  /** A request or an answer said `Connection: close`: what follows is not served (RFC 9112, section 9.6). */
  closing: boolean;
  /** The newest request that was answered before all of it had arrived. */
  unfinished: IncomingMessage | undefined;
}

/** What a handler may override, and the engine calls. */
export interface Hooks {
  endHeaders(): Writable;
  sendJson(value: unknown): void;
  logRequest(entry: AccessLogEntry): void;
  logError(error: unknown): void;
}

/**
 * One request and its answer: the door through which every answer leaves. RequestHandler.endHeaders calls `begin` after
 * it has put the CORS headers in; whatever is returned, thrown or streamed goes through it.
 */
export class Exchange {
  readonly state: ServerState;
  readonly connection: Connection | undefined;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly resource: Resource;
  /** What the path says in place of each of the pattern's names, as it was sent. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Path and query (RFC 9112, section 3.2.1, origin-form). */
  readonly target: string;
  /** Of performance.now(); 0 where nobody asks. */
  readonly startedAt: number;
  /** What `state.sweeps` was when it began; Infinity before its turn. */
  sweep: number;
  handler: Hooks | undefined;
  head = new AnswerHead();
  /** Undefined where the origin is refused. */
  grant: Grant | undefined = UNGRANTED;
  isPreflight = false;
  /** The whole body, where it is known before the headers leave. */
  body: string | undefined;
  /** What endHeaders() returned: the headers have left. */
  stream: Writable | undefined;
  /** The method is done, or has been given up on. */
  isOver = false;
  /** What went wrong last, as the log has it; a failing pipeline() says it twice. */
  fault: unknown;
  #controller: AbortController | undefined;

  constructor(
    state: ServerState, connection: Connection | undefined, request: IncomingMessage, response: ServerResponse,
    resource: Resource, parameters: ReadonlyMap<string, string>, target: string,
  ) {
    this.state = state;
    this.connection = connection;
    this.request = request;
    this.response = response;
    this.resource = resource;
    this.parameters = parameters;
    this.target = target;
    this.startedAt = state.isTimed ? performance.now() : 0;
    this.sweep = state.sweeps;
  }

  /** Gives the answer a body of this type, unless a header said otherwise. */
  setBody(body: string, contentType: string): void {
    const { status } = this.head;
    if (body && (status === 204 || status === 205 || status === 304)) {
      throw new Error(`A ${status} answer has no body: return nothing, or choose another status`);
    }
    this.body = body;
    this.head.contentType ||= contentType;
  }

  /** Puts in what the request's origin is granted (Fetch, "CORS protocol", HTTP responses), in place of any before. */
  grantHeaders(): void {
    const { grant, resource, head: { fields } } = this;
    if (!grant) return;
    if (fields.length > 0) this.head.remove((name) => name.startsWith('access-control-'));
    fields.push(...(this.isPreflight ? grant.preflight : grant.actual));
    if (!this.isPreflight) return;
    fields.push('Access-Control-Allow-Methods', resource.corsMethods);
    const mirrored = resource.policy.mirrorsHeaders && mirroredHeaders(this.request);
    if (mirrored) fields.push('Access-Control-Allow-Headers', mirrored);
  }

  /** Sends status and headers; with them the body, where it is known. */
  begin(): Writable {
    if (this.stream) throw new Error('The headers have left: endHeaders() goes once, before any body');
    const { body, connection, head, request, resource, response, state } = this;
    head.closes ||=
      (body !== undefined && hasUnreadBody(request, resource.bodyLimit)) ||
      // Node's parser drops what comes behind an Upgrade in the same packet.
      request.headers.upgrade !== undefined ||
      // HTTP/1.0 has no chunks: the end of the connection is that of the stream.
      (body === undefined && request.httpVersionMinor === 0 && head.contentLength === undefined) ||
      // While the server stops, only the last of several pipelined requests may say so: the others would be lost.
      (state.closing && connection?.inHand.at(-1) === this);
    head.complete(body, resource.policy.vary);
    response.writeHead(head.status, head.fields);
    if (connection && head.closes) connection.closing = true;
    this.stream = body === undefined ? openBody(response, this) : response;
    if (body !== undefined) response.end(body);
    if (connection && body) connection.unread += body.length;
    // Only now: node's own server.timeout would start a timer for each request, which costs it 2 %. What has left whole
    // needs none; writableFinished may say so only in the next tick.
    const hasLeft = response.writableEnded && response.writableLength === 0;
    if (connection && !hasLeft) request.socket.setTimeout(state.readTimeout);
    return this.stream;
  }

  /** Made when asked for; aborts when the client leaves or the answer is given up on. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    const { isOver, request: { socket }, stream } = this;
    const isUnread = isOver || socket.destroyed || stream?.writableEnded || stream?.destroyed;
    if (isUnread) this.abort(new Error('Nobody waits for the answer'));
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller?.abort(reason);
  }

  /** Once for each error. */
  logError(error: unknown): void {
    if (error !== undefined && error === this.fault) return;
    this.fault = error;
    try {
      this.handler!.logError(error);
    } catch (fault) {
      this.state.log.error(fault, 'logError');
    }
  }
}
