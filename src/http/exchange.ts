import type { IncomingMessage, ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { AnswerHead } from './answer-head.ts';
import { corsHints } from './cors-hints.ts';
import { type Grant, UNGRANTED, isPreflight, mirroredHeaders } from './cors.ts';
import { HttpError } from './http-error.ts';
import { hasUnreadBody } from './json-body.ts';
import { endAfterInput } from './linger.ts';
import type { Match, Resource } from './resource.ts';
import type { Answer, Connection, ServerState } from './server-state.ts';

const INTERNAL_ERROR = new HttpError(500);

/** What the engine calls on a RequestHandler, each overridable. */
interface Answerer {
  endHeaders(): Writable;
  sendJson(value: unknown): void;
  logRequest(): void;
  logError(error: unknown): void;
}

/**
 * One request and its answer: the door through which every answer leaves. Only RequestHandler.endHeaders calls
 * `begin`, after it has put the CORS headers in; whatever is returned, thrown or streamed goes through it.
 */
export class Exchange implements Answer {
  readonly state: ServerState;
  readonly resource: Resource;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Path and query (RFC 9112, section 3.2.1, origin-form). */
  readonly target: string;
  /** What the path says in place of each of the resource's names, as it was sent. */
  readonly values: readonly string[];
  readonly startedAt: number;
  handler!: Answerer;
  head = new AnswerHead();
  /** Undefined where the origin is refused. */
  grant: Grant | undefined = UNGRANTED;
  isPreflight = false;
  begun = false;
  place = -1;
  pendingSince = 0;
  readonly #connection: Connection | undefined;
  #grantSent = false;
  /** The whole body, where it is known before the headers leave. */
  #body: string | undefined;
  #contentType = '';
  /** The method is done, or has been given up on. */
  #over = false;
  #controller: AbortController | undefined;

  constructor(state: ServerState, { route, values }: Match, request: IncomingMessage, response: ServerResponse, target: string) {
    this.state = state;
    this.resource = route;
    this.request = request;
    this.response = response;
    this.target = target;
    this.values = values;
    this.startedAt = state.log.now();
    const connection = state.connections.get(request.socket);
    this.#connection = connection;
    if (!connection) return;
    connection.last = this;
    // Kept until the next request, it would outlive V8's quick collections, which then take ever more memory: twice as much.
    response.on('close', () => {
      if (connection.last === this) connection.last = undefined;
    });
  }

  /** The client did not wait for the answer. */
  get clientLeft(): boolean {
    return this.request.socket.destroyed && !this.response.writableFinished;
  }

  decideGrant(grant: Grant | undefined): void {
    this.grant = grant;
    this.isPreflight = grant !== undefined && grant !== UNGRANTED && isPreflight(this.request);
  }

  /** Puts in what the request's origin is granted (Fetch, "CORS protocol", HTTP responses); once. */
  grantHeaders(): void {
    if (this.#grantSent) return;
    this.#grantSent = true;
    if (!this.grant) return;
    const { fields } = this.head;
    // What an overridden sendCorsHeaders() has sent before: there is never more than one of each.
    if (fields.length > 0) this.head.remove('access-control-');
    fields.push(...(this.isPreflight ? this.grant.preflight : this.grant.actual));
    if (!this.isPreflight) return;
    fields.push('Access-Control-Allow-Methods', this.resource.corsMethods);
    const mirrored = this.resource.policy.mirrorsHeaders && mirroredHeaders(this.request);
    if (mirrored) fields.push('Access-Control-Allow-Headers', mirrored);
  }

  /** Sends status and headers; with them the body, where it is known. */
  begin(): Writable {
    if (this.begun) throw new Error('The headers have left: endHeaders() goes once, before any body');
    this.begun = true;
    const { head, response } = this;
    const body = this.#body;
    const mustLinger = body !== undefined && hasUnreadBody(this.request, this.state.bodyLimit);
    // While the server stops, only the last of several pipelined requests may say so: the others would be lost.
    head.closes ||= mustLinger || (this.state.closing && this.#connection?.last === this);
    head.complete(body, this.#contentType, this.resource.policy.vary);
    response.writeHead(head.status, head.fields);
    const stream = body === undefined ? this.#stream() : response;
    if (mustLinger) endAfterInput(this.request, response, body);
    else if (body !== undefined) response.end(body);
    // Only now: node's own server.timeout starts a timer for every request, and costs each 2 % of its time. What has left
    // whole needs none; writableFinished may say so only in the next tick.
    const hasLeft = response.writableEnded && response.writableLength === 0;
    if (this.#connection && !hasLeft) this.request.socket.setTimeout(this.state.readTimeout);
    return stream;
  }

  /** Sends the whole body before the headers have left, a part of it afterwards. */
  send(body: string, contentType: string): void {
    const { status } = this.head;
    if (!this.begun) {
      if (body && (status === 204 || status === 205 || status === 304)) {
        throw new Error(`A ${status} answer has no body: return nothing, or choose another status`);
      }
      this.#body = body;
      this.#contentType = contentType;
      this.handler.endHeaders();
    } else if (this.#body === undefined) {
      this.response.write(body);
    } else {
      throw new Error('The answer has left already: a request has one');
    }
  }

  /** The method returned `value`, and with that the answer ends. */
  finish(value: unknown): void {
    if (this.#over) return;
    try {
      if (value !== undefined) this.handler.sendJson(value);
      else if (!this.begun) this.send('', '');
      if (this.#body === undefined) this.response.end();
    } catch (error) {
      return this.fail(error);
    }
    this.#conclude();
  }

  /** The method threw `error`, or is given up on because of it. What it had put into the head is dropped. */
  fail(error: unknown): void {
    if (this.#over) return;
    if (!this.clientLeft && (this.begun || !(error instanceof HttpError))) this.#logError(error);
    if (!this.begun) this.#sendProblem(error instanceof HttpError ? error : INTERNAL_ERROR);
    // A reset, so that the client sees the cut even where the end of the connection would be the end of the body.
    else if (!this.response.writableEnded) this.request.socket.resetAndDestroy();
    this.#conclude();
    this.#controller?.abort(error);
  }

  /** Made when asked for; aborts when the client leaves or the answer is given up on. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.clientLeft || (this.response.writableEnded && !this.#over)) this.leave();
    return this.#controller.signal;
  }

  /** Nobody waits for the answer any more. */
  leave(): void {
    this.#controller?.abort(new Error('The client has left'));
  }

  #sendProblem(problem: HttpError): void {
    this.head = new AnswerHead();
    this.#grantSent = false;
    this.head.status = problem.status;
    try {
      for (const [name, value] of Object.entries(problem.headers)) this.head.add(name, value);
      this.send(JSON.stringify(problem), 'application/problem+json');
    } catch (error) {
      this.#logError(error);
      if (problem === INTERNAL_ERROR || this.begun) this.request.socket.destroy();
      else this.#sendProblem(INTERNAL_ERROR);
    }
  }

  #stream(): Writable {
    const { response } = this;
    // What is written after the end is lost, and no reason to stop the server.
    response.on('error', (error) => this.#logError(error));
    if (this.request.method !== 'HEAD') {
      response.flushHeaders();
      return response;
    }
    response.end();
    this.leave();
    return new Writable({ write: (_chunk, _encoding, done) => done() });
  }

  #conclude(): void {
    this.#over = true;
    this.state.settle(this);
    try {
      this.handler.logRequest();
    } catch (error) {
      this.#logError(error);
    }
    if (this.state.log.isForPeople) for (const hint of corsHints(this)) this.state.log.hint(hint);
  }

  #logError(error: unknown): void {
    try {
      this.handler.logError(error);
    } catch (fault) {
      this.state.log.error(fault, 'logError');
    }
  }
}
