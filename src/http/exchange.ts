import { validateHeaderName, validateHeaderValue } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import { type CorsPolicy, type Grant, UNGRANTED, isPreflight, mirroredHeaders } from './cors.ts';
import { corsHints } from './cors-hints.ts';
import { HttpError } from './http-error.ts';
import { hasUnreadBody } from './json-body.ts';
import type { Answer, Connection, ServerState } from './server-state.ts';

/** How long input is still discarded after an answer that came before the end of a large body, in milliseconds. */
const LINGER = 2_000;

const INTERNAL_ERROR = new HttpError(500);

/** What a path grants and allows, whoever asks. */
export interface Resource {
  /** As the routes have it: `/notes/:id`. */
  readonly pattern: string;
  readonly policy: CorsPolicy;
  /** RFC 9110, section 10.2.1. */
  readonly allow: string;
  /** Access-Control-Allow-Methods: `allow`, narrowed by the policy. */
  readonly corsMethods: string;
  /** For people: `NotesHandler has doGet, doPost`. */
  readonly implementation: string;
}

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
  readonly #connection: Connection | undefined;
  /** Path and query (RFC 9112, section 3.2.1, origin-form). */
  readonly target: string;
  readonly params: ReadonlyMap<string, string>;
  readonly startedAt: number;
  handler!: Answerer;
  /** Undefined where the origin is refused. */
  grant: Grant | undefined = UNGRANTED;
  /** 0 until one is chosen. */
  status = 0;
  begun = false;
  pendingSince = 0;
  /** Names and values, flat: what writeHead takes fastest. */
  headers: string[] = [];
  #contentType = '';
  #contentLength = '';
  #cacheControl = 'no-store';
  #vary = '';
  #close = false;
  #grantSent = false;
  /** The whole body, where it is known before the headers leave. */
  #body: string | undefined;
  /** The method is done, or has been given up on. */
  #over = false;
  #controller: AbortController | undefined;

  constructor(state: ServerState, resource: Resource, request: IncomingMessage, response: ServerResponse, target: string, params: ReadonlyMap<string, string>) {
    this.state = state;
    this.resource = resource;
    this.request = request;
    this.response = response;
    this.target = target;
    this.params = params;
    this.startedAt = state.log.now();
    this.#connection = state.connections.get(request.socket);
    if (this.#connection) this.#connection.last = this;
  }

  /** The client did not wait for the answer. */
  get clientLeft(): boolean {
    return this.response.destroyed && !this.response.writableFinished;
  }

  get isPreflight(): boolean {
    return this.grant !== undefined && this.grant !== UNGRANTED && isPreflight(this.request);
  }

  /** Puts a header into the buffer; one that a message has only once replaces its forerunner. */
  header(name: string, value: string): void {
    if (this.begun) throw new Error(`${name} comes too late: the headers have left`);
    validateHeaderName(name);
    validateHeaderValue(name, value);
    switch (name.toLowerCase()) {
      case 'content-type': this.#contentType = value; break;
      case 'content-length': this.#contentLength = value; break;
      case 'cache-control': this.#cacheControl = value; break;
      case 'vary': this.#vary = mergeVary(this.#vary, value); break;
      case 'connection': this.#close ||= /\bclose\b/i.test(value); break;
      case 'x-content-type-options': break;
      case 'transfer-encoding': throw new Error('Transfer-Encoding is chosen by the server: leave it out');
      default: this.headers.push(name, value);
    }
  }

  /** Puts a header into the buffer in place of one of the same name. */
  replaceHeader(name: string, value: string): void {
    const field = name.toLowerCase();
    const index = this.headers.findIndex((entry, at) => at % 2 === 0 && entry.toLowerCase() === field);
    if (index >= 0) this.headers.splice(index, 2);
    this.header(name, value);
  }

  /** Fetch, "CORS protocol", HTTP responses. */
  grantHeaders(): void {
    if (this.#grantSent) return;
    this.#grantSent = true;
    if (!this.grant) return;
    const preflight = this.isPreflight;
    this.headers.push(...(preflight ? this.grant.preflight : this.grant.actual));
    if (!preflight) return;
    this.headers.push('Access-Control-Allow-Methods', this.resource.corsMethods);
    const mirrored = this.resource.policy.mirrorsHeaders && mirroredHeaders(this.request);
    if (mirrored) this.headers.push('Access-Control-Allow-Headers', mirrored);
  }

  /** Sends status and headers; with them the body, where it is known. */
  begin(): Writable {
    if (this.begun) throw new Error('The headers have left: endHeaders() goes once, before any body');
    const { response } = this;
    const headers = this.headers;
    const body = this.#body;
    const status = (this.status ||= body === '' ? 204 : 200);
    const mustLinger = body !== undefined && hasUnreadBody(this.request, this.state.bodyLimit);
    if (this.#contentType) headers.push('Content-Type', this.#contentType);
    if (body === undefined) {
      if (this.#contentLength) headers.push('Content-Length', this.#contentLength);
    } else if (status !== 204 && status !== 304) {
      headers.push('Content-Length', String(Buffer.byteLength(body)));
    }
    headers.push('X-Content-Type-Options', 'nosniff', 'Cache-Control', this.#cacheControl);
    const vary = mergeVary(this.#vary, this.resource.policy.vary);
    if (vary) headers.push('Vary', vary);
    // While the server stops, only the last of several pipelined requests may say so: the others would be lost.
    if (this.#close || mustLinger || (this.state.closing && this.#connection?.last === this)) {
      headers.push('Connection', 'close');
      if (this.#connection) this.#connection.isClosing = true;
    }
    response.writeHead(status, headers);
    this.begun = true;
    if (body === undefined) return this.#stream();
    if (mustLinger) this.#linger(body);
    else response.end(body);
    return response;
  }

  /** The whole body before the headers have left, a part of it afterwards. */
  send(body: string, contentType: string): void {
    if (this.#body !== undefined && this.begun) throw new Error('The answer has left already: there is one for a request');
    if (this.begun) {
      this.response.write(body);
      return;
    }
    if (body && (this.status === 204 || this.status === 205 || this.status === 304)) {
      throw new Error(`A ${this.status} answer has no body: return nothing, or choose another status`);
    }
    this.#contentType ||= contentType;
    this.#body = body;
    this.handler.endHeaders();
  }

  /** The method returned `value`, and with that the answer ends. */
  finish(value: unknown): void {
    if (this.#over) return;
    if (value !== undefined) this.handler.sendJson(value);
    else if (!this.begun) this.send('', '');
    if (this.#body === undefined) this.response.end();
    this.#conclude();
  }

  /** The method threw `error`, or is given up on because of it. Headers that it had sent to the buffer are dropped. */
  fail(error: unknown): void {
    if (this.#over) return;
    if (!this.clientLeft && (this.begun || !(error instanceof HttpError))) this.#log(() => this.handler.logError(error));
    if (this.begun) {
      // A reset, so that even where the connection's end would end the body the client sees that it was cut.
      if (!this.response.writableEnded) this.request.socket.resetAndDestroy();
    } else {
      this.#sendProblem(error instanceof HttpError ? error : INTERNAL_ERROR);
    }
    this.#conclude();
    this.#controller?.abort(error);
  }

  /** Made when asked for; aborts when the client leaves or the answer is given up on. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      const controller = (this.#controller = new AbortController());
      const leave = () => {
        if (!this.#over) controller.abort(new Error('The client has left'));
      };
      if (this.response.destroyed) leave();
      else this.response.once('close', leave);
    }
    return this.#controller.signal;
  }

  #sendProblem(problem: HttpError): void {
    this.headers = [];
    this.#contentType = this.#contentLength = this.#vary = '';
    this.#cacheControl = 'no-store';
    this.#grantSent = false;
    this.status = problem.status;
    try {
      for (const [name, value] of Object.entries(problem.headers)) this.header(name, value);
      this.send(JSON.stringify(problem), 'application/problem+json');
    } catch (error) {
      this.#log(() => this.handler.logError(error));
      this.request.socket.destroy();
    }
  }

  #stream(): Writable {
    const { response } = this;
    // What is written after the end or to a client that has left is lost, and no reason to stop the server.
    response.on('error', (error) => this.#log(() => this.handler.logError(error)));
    if (this.request.method !== 'HEAD') {
      response.flushHeaders();
      return response;
    }
    response.end();
    return new Writable({ write: (_chunk, _encoding, done) => done() });
  }

  /** Closing while the client still sends would reset the connection, and the client might never see the answer. */
  #linger(body: string): void {
    const { request, response } = this;
    response.flushHeaders();
    if (body) response.write(body);
    const end = () => {
      clearTimeout(timer);
      response.end();
    };
    const timer = setTimeout(end, LINGER);
    request.once('close', end);
    request.resume();
  }

  #conclude(): void {
    this.#over = true;
    this.state.pending.delete(this);
    this.#log(() => {
      this.handler.logRequest();
      if (this.state.log.isForPeople) for (const hint of corsHints(this)) this.state.log.hint(hint);
    });
  }

  /** A fault in an overridden log hook stays in the log. */
  #log(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.state.log.error(error, 'In a log hook');
    }
  }
}

/** RFC 9110, section 12.5.5: one list, each name once, and `*` stays as it is. */
function mergeVary(names: string, more: string | undefined): string {
  if (!names || !more) return names || more || '';
  const known = names.toLowerCase().split(/\s*,\s*/);
  return known.includes('*') || known.includes(more.toLowerCase()) ? names : `${names}, ${more}`;
}
