import type { IncomingMessage, ServerResponse } from 'node:http';
import { Stream, type Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { corsHints } from './cors/hints.ts';
import type { CorsDecision } from './cors/policy.ts';
import { HttpError } from './http-error.ts';
import type { Connection } from './node/connection.ts';
import type { AccessLogEntry } from './node/log.ts';
import { resetConnection, withNumericLength } from './node/workarounds.ts';
import { hasLongUnreadBody } from './request-body.ts';
import type { RequestHandler } from './request-handler.ts';
import { originForm } from './request-target.ts';
import type { Resource } from './resource.ts';
import { BodyStream, ENDS_WITH_METHOD, bodyOf, bodyStream, discardValue, discardedBody } from './response-body.ts';
import { ResponseHead } from './response-head.ts';
import type { Match } from './router.ts';
import type { ServerState } from './server.ts';

const INTERNAL_ERROR = new HttpError(500);

/**
 * One request and its response. Every response passes through sendHeaders(). RequestHandler.endHeaders() calls
 * sendHeaders() after sendCorsHeaders(). #sendProblem() calls sendHeaders() itself if the handler's hooks fail.
 */
export class Exchange {
  readonly state: ServerState;
  readonly connection: Connection;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Why the request cannot be served, such as bytes that are not HTTP. */
  readonly requestError: HttpError | undefined;
  readonly match: Match;
  readonly resource: Resource;
  /** The path as sent, without the query. */
  readonly path: string;
  /** The query, without the question mark. */
  readonly query: string;
  /** Start time in milliseconds, as of performance.now(), or 0 if durations are not logged. */
  readonly #startedAtMs: number;
  handler: RequestHandler | undefined;
  decision: CorsDecision = 'not cross-origin';
  /** The CORS headers that follow from the decision. */
  corsHeaders: readonly string[] = [];
  head = new ResponseHead();
  /** The stream that endHeaders() has returned, or undefined until the headers are sent. */
  stream: Writable | undefined;
  /** The number of timeout checks before the response began. */
  responseChecks = 0;
  /** The number of timeout checks while the server waited for more of the body. */
  bodyChecks = 0;
  /** The whole body, or undefined if the handler writes it to the stream. */
  #body: string | Uint8Array | undefined;
  /** Whether the response has been completed, or has failed. A result that comes later is discarded. */
  isSettled = false;
  /** The state of the handler's method. It continues if it has not ended when sendJson() has completed the response. */
  #methodState: 'running' | 'continuing' | 'done' = 'running';
  #outcome: AccessLogEntry['outcome'];
  #controller: AbortController | undefined;
  #abortReason: unknown;
  #disconnectReason: unknown;
  #loggedError: unknown;

  constructor(
    connection: Connection, request: IncomingMessage, response: ServerResponse, requestError: HttpError | undefined,
  ) {
    this.state = connection.state;
    this.connection = connection;
    this.request = request;
    this.response = response;
    this.requestError = requestError;
    const target = originForm(request.url!);
    const mark = target.indexOf('?');
    this.path = mark < 0 ? target : target.slice(0, mark);
    this.query = target.slice(this.path.length + 1);
    this.match = (requestError ? undefined : this.state.router.find(this.path)) ?? this.state.baseMatch;
    this.resource = this.match.route.resource;
    this.#startedAtMs = this.state.callsLogRequest ? performance.now() : 0;
    response.on('close', () => this.#close()).on('error', (error) => this.logError(error));
  }

  /** Why the body must not be read: the exchange has been aborted, or the rest of the request is invalid. */
  get bodyError(): unknown {
    return this.#abortReason ?? (this.request.complete ? undefined : this.connection.parserError);
  }

  /**
   * Returns whether a call comes after the exchange was aborted, or after the method and its response have ended. Logs
   * a call of the second kind. It must not throw, because nobody catches the errors of a callback.
   */
  ignoresLateCall(call: string): boolean {
    if (!this.stream || !this.isSettled) return false;
    if (this.#abortReason !== undefined) return true;
    if (this.#methodState !== 'done') return false;
    this.logError(new Error(`The response had ended before this ${call}: ${ENDS_WITH_METHOD}`));
    return true;
  }

  /** Sends a value as the body, or writes it to a body that has begun. */
  sendValue(value: unknown): void {
    if (this.ignoresLateCall('sendJson()')) return discardValue(value);
    const { stream } = this;
    if (stream && this.#body !== undefined) {
      throw new Error('The response has already been sent: call sendJson() once, or return the value, but not both');
    }
    const body = bodyOf(value, this.head.get('content-type'));
    if (stream) return void stream.write(body);
    // Without a status, complete() would respond 204 to an empty text.
    this.head.status ||= 200;
    this.#sendWhole(body);
  }

  /** Sends the whole response by way of endHeaders(), which the handler may have overridden. */
  #sendWhole(body: string | Uint8Array): void {
    const { status } = this.head;
    if (body.length > 0 && (status === 204 || status === 205 || status === 304)) {
      throw new Error(`A ${status} response has no body: return nothing, or choose another status`);
    }
    this.#body = body;
    this.logRejection(this.#hooks().endHeaders());
    this.#requireSent();
  }

  #requireSent(): void {
    if (this.stream || this.response.destroyed) return;
    const { name } = this.#hooks().constructor;
    throw new Error(`${name} has sent nothing: call super in its endHeaders() and sendJson(), before any await`);
  }

  /** Sends the status, the headers and, if it is known, the body. Returns the stream of the body. */
  sendHeaders(): Writable {
    const { connection, head, request, response, resource: { policy } } = this;
    // The client may have disconnected after the handler has created a source for the body, such as an open file.
    if (this.ignoresLateCall('endHeaders()') || (response.destroyed && this.#abortReason !== undefined)) {
      return discardedBody(() => (this.#abortReason ?? new Error('The response is complete')) as Error);
    }
    if (this.stream) throw new Error('The headers have already been sent: call endHeaders() once, before any body');
    const body = this.#body;
    if (this.#mustClose()) {
      response.shouldKeepAlive = false;
      connection.ignoreLaterRequests();
    }
    const headers = head.complete(body, request.method === 'HEAD', policy.vary);
    response.writeHead(head.status, body === undefined ? withNumericLength(headers) : headers);
    if (body === undefined) return (this.stream = this.#openBody());
    this.stream = response;
    response.end(body);
    // Only if something is left to send, because a timer for each request has a measurable cost.
    if (response.writableLength > 0) connection.limitIdleTime();
    return response;
  }

  /**
   * Returns whether the connection must close after this response (RFC 9112, section 9.6). Node itself closes it if the
   * request says `Connection: close`. It also closes it after HTTP/1.0, unless the client has asked for keep-alive and
   * the length is known.
   */
  #mustClose(): boolean {
    const { connection, head, request, state } = this;
    if (/\bclose\b/i.test(head.get('connection') ?? '')) return true;
    // This request has not passed through withoutUpgrade(). If it has a body, Node 25 and newer lose the requests that
    // are pipelined behind it.
    if (request.headers.upgrade !== undefined && /\bupgrade\b/i.test(request.headers.connection ?? '')) return true;
    // A handler that streams its response may still read the body of the request.
    const readsNoMore = this.#body !== undefined || request.destroyed;
    if (readsNoMore && hasLongUnreadBody(request, this.resource.bodyLimit)) return true;
    // A response does not close the connection while requests are queued behind it, because they would be lost.
    return state.isDraining && !connection.hasQueued;
  }

  /** Opens the stream for a body that the handler writes itself. */
  #openBody(): Writable {
    const { connection, request, response } = this;
    const isHead = request.method === 'HEAD';
    const abort = () => this.#abortSignal(new Error('A response to HEAD has no body'));
    const stream = isHead ? discardedBody(abort) : bodyStream(response);
    stream.on('error', (error) => this.fail(error)).on('close', () => this.#truncate());
    stream.once('late', (error) => this.logError(error));
    // pipe() leaves the body open if the source fails.
    stream.on('sourceError', (error) => this.isSettled || this.fail(error));
    if (isHead) {
      response.end();
    } else {
      // If the client has disconnected, #close() has set the reason.
      response.on('close', () => stream.destroy(this.#abortReason as Error | undefined));
      response.flushHeaders();
    }
    connection.limitIdleTime();
    return stream;
  }

  /** Resets the connection if the response is not complete, so that the client sees that it is truncated. */
  #truncate(): void {
    if (this.response.writableEnded) return;
    this.#outcome = 'aborted';
    resetConnection(this.connection.socket);
  }

  /** Notes that the method has ended: its promise has settled, or an error has kept it from being called. */
  endMethod(): void {
    if (this.#methodState === 'continuing') this.state.continuingMethods--;
    this.#methodState = 'done';
  }

  /** Sends the value that the method returned, and ends the response. */
  finish(value: unknown): void {
    this.endMethod();
    if (this.isSettled) return discardValue(value);
    try {
      const { stream } = this;
      const isPiped = stream instanceof BodyStream && stream.sources.size > 0;
      // A value such as source.pipe(body), which is the body. The response ends when the stream does.
      if (value instanceof Stream && (value === stream || isPiped)) {
        return this.#finishAfter(value as Writable);
      }
      if (value !== undefined) this.logRejection(this.handler!.sendJson(value));
      else if (!stream) this.#sendWhole('');
      this.#requireSent();
      if (isPiped && !stream.writableEnded) {
        const fix = 'return pipeline(source, this.endHeaders())';
        this.logError(new Error(`A stream was still piped to the body when the method returned: ${fix}`));
        return this.#finishAfter(stream);
      }
      this.isSettled = true;
      this.stream!.end();
    } catch (error) {
      // To destroy the request would close the connection before the response.
      if (value !== this.request) discardValue(value);
      this.fail(error);
    }
  }

  /** Finishes the exchange when a stream ends. If the stream fails, the exchange fails with the same error. */
  #finishAfter(stream: Writable): void {
    finished(stream).then(() => this.finish(undefined), (error: unknown) => this.fail(error));
  }

  /**
   * Ends the exchange with an error. Sends a problem, or resets the connection if the headers have been sent. Logs the
   * error unless it is sent, or only repeats why the exchange was aborted.
   */
  fail(error: unknown): void {
    const { connection, request, stream } = this;
    const isProblem = error instanceof HttpError && !stream && !this.isSettled;
    if (!isProblem && !this.#isAbortReason(error)) this.logError(error);
    if (this.isSettled) return;
    this.isSettled = true;
    // Set before the response is sent, because endHeaders() may read the signal. `undefined` can be thrown too.
    this.#abortReason ??= error ?? INTERNAL_ERROR;
    if (stream) this.#truncate();
    else this.#sendProblem(isProblem ? error : INTERNAL_ERROR);
    // A client that ends its side in the middle of the body has most likely disconnected.
    if (!request.complete && connection.socket.readableEnded) this.#outcome = 'client disconnected';
    this.#abortSignal(this.#abortReason);
  }

  /** Ends the exchange without completing its response, because the server is stopping. */
  abort(): void {
    this.#outcome = 'aborted';
    this.#abortReason ??= new Error('The server has stopped');
    this.connection.ignoreLaterRequests();
    // The process may exit before Node emits 'close'. Without listeners, a later 'close' has no effect.
    this.response.emit('close');
    this.response.removeAllListeners('close');
  }

  /** Returns whether an error only repeats why the exchange was aborted, or why a read of the body has failed. */
  #isAbortReason(error: unknown): boolean {
    if (!(error instanceof Error)) return false;
    const reasons: unknown[] = [this.#abortReason, this.#disconnectReason].filter((reason) => reason !== undefined);
    return reasons.includes(error) || reasons.includes(error.cause);
  }

  /** Ends a read of the body, because the client has disconnected. */
  disconnect(): void {
    const reason = Object.assign(new Error('The client disconnected'), { code: 'ECONNRESET' });
    this.#disconnectReason = reason;
    // A method that continues after its response is not aborted.
    if (!this.response.destroyed) this.#abortReason ??= reason;
    this.request.destroy(reason);
  }

  #sendProblem(problem: HttpError): void {
    try {
      this.head.setError(problem);
      this.#sendWhole(JSON.stringify(problem));
    } catch (error) {
      this.logError(error);
      if (this.stream) return;
      // A header of the problem or a hook of the handler has failed, so send only the server's own headers.
      this.head = new ResponseHead();
      this.head.setError(INTERNAL_ERROR);
      if (problem.headers.Connection) this.head.add('Connection', 'close');
      this.#body = JSON.stringify(INTERNAL_ERROR);
      this.head.setCorsHeaders(this.corsHeaders);
      try {
        this.sendHeaders();
      } catch (failure) {
        // Another listener of the server's 'request' event may have begun a response.
        this.logError(failure);
        this.#truncate();
      }
    }
  }

  /** Returns the handler whose hooks send and log the response. Constructs a base handler if there is none yet. */
  #hooks(): RequestHandler {
    return (this.handler ??= this.state.makeBaseHandler(this));
  }

  /** The signal of RequestHandler.signal, created when it is first used. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    return this.#controller.signal;
  }

  /** Aborts the signal. Returns the reason, which is that of an earlier call if there was one. */
  #abortSignal(reason: unknown): Error {
    this.#abortReason ??= reason;
    this.#controller?.abort(this.#abortReason);
    return this.#abortReason as Error;
  }

  /** Logs the rejection of a hook that is async. */
  logRejection(result: unknown): void {
    if (result instanceof Promise) result.catch((error: unknown) => this.logError(error));
  }

  /** Logs an error, unless it was the last one logged, because a failing pipeline() reports its error twice. */
  logError(error: unknown): void {
    if (error !== undefined && error === this.#loggedError) return;
    this.#loggedError = error;
    const { log } = this.state;
    (async () => this.#hooks().logError(error))().catch((failure: unknown) => {
      log.error(error, `${this.request.method} ${this.path}`);
      log.error(failure, 'logError');
    });
  }

  #close(): void {
    const { connection, request, response, state } = this;
    // When a socket is destroyed, Node drops its pending writes, and so reports the response as finished.
    const isComplete = response.writableFinished && !connection.socket.destroyed;
    this.isSettled = true;
    if (!isComplete) {
      this.#outcome ??= 'client disconnected';
      this.#abortSignal(new Error('The client disconnected'));
    } else if (this.#methodState === 'running' && this.#body !== undefined && this.#abortReason === undefined) {
      this.#methodState = 'continuing';
      state.continuingMethods++;
    }
    connection.release(this);
    if (!state.callsLogRequest) return;
    const milliseconds = Math.round((performance.now() - this.#startedAtMs) * 1000) / 1000;
    const status = this.stream ? this.head.status : 0;
    const outcome = this.#outcome;
    const basic = outcome ? { status, milliseconds, outcome } : { status, milliseconds };
    // Bytes that are not a request have no method.
    const entry = request.method ? basic : { ...basic, detail: this.requestError?.message };
    // Called in an async function, so that whatever it throws or rejects with is a rejection.
    (async () => this.#hooks().logRequest(entry))().catch((error: unknown) => this.logError(error));
    if (this.stream && state.log.format === 'text' && request.headers.origin !== undefined) {
      for (const hint of corsHints(this)) state.log.hint(hint);
    }
  }
}
