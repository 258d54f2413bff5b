import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import type { CorsOptions } from './cors/options.ts';
import type { Exchange } from './exchange.ts';
import { jsonHeaderError, parseJson } from './json.ts';
import type { AccessLogEntry } from './node/log.ts';
import { ignoreRejection, readBody } from './request-body.ts';
import { decodeRest, decodeSegment } from './request-target.ts';
import { type StandardSchema, validate } from './standard-schema.ts';

/**
 * Handles one request. A subclass has the methods that its path supports: `doGet`, `doPost` and so on, one for each in
 * http.METHODS (`M-SEARCH`: `doMSearch`). What a method returns is sent as JSON, with the status 200, or 204 for
 * `undefined`. A promise is awaited. Throw an HttpError for an error response. `Allow`, the CORS methods, HEAD (from
 * `doGet`), OPTIONS and 405 follow from the methods of the class. Each request has its own instance and its own fields.
 */
export class RequestHandler {
  /** The CORS policy of this class, which replaces the server's. */
  static readonly cors?: CorsOptions;
  /** The longest body that readJson() and readBody() accept, in bytes. It replaces the server's limit. */
  static readonly bodyLimit?: number;

  // Makes tsc reject a field without `static`, which would have no effect.
  declare readonly cors?: never;
  declare readonly bodyLimit?: never;

  /** Node's own request. The names in `request.headers` are in lower case. */
  readonly request: IncomingMessage;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.request = exchange.request;
  }

  /** Responds to GET, and to HEAD unless there is a doHead(). */
  doGet?(): unknown;
  /** Responds to HEAD. Only the headers are sent. */
  doHead?(): unknown;
  /** Responds to POST. `await this.readJson()` returns the body. */
  doPost?(): unknown;
  /** Responds to PUT. */
  doPut?(): unknown;
  /** Responds to PATCH. */
  doPatch?(): unknown;
  /** Responds to DELETE. */
  doDelete?(): unknown;
  /** Responds to QUERY. */
  doQuery?(): unknown;

  /** Responds to preflights, and to any other OPTIONS with `Allow`. Override it to respond to them yourself. */
  doOptions(): unknown {
    const { decision, resource } = this.#exchange;
    if (decision !== 'allowed preflight') this.sendHeader('Allow', resource.allow);
    return undefined;
  }

  /**
   * Runs before the method. It is the place for authentication, and for headers of the method's responses, errors
   * included. A promise is awaited. Throw or return an HttpError to reject the request. If prepare() itself begins the
   * response, the method is not called. If it returns `false`, or only sets a status of 300 or above, the response is a
   * 500, because the method was most likely not meant to run. Other returned values are ignored. prepare() is not
   * called for a 404, a 405 or a denied origin, nor for `OPTIONS *` or an allowed preflight, which carries no
   * credentials (Fetch, "CORS-preflight fetch").
   */
  prepare?(): unknown;

  /** The path as sent, still percent-encoded, without the query. */
  get path(): string {
    return this.#exchange.path;
  }

  /** The query, parsed anew at each use. `this.query.get('page')` returns a string or null. */
  get query(): URLSearchParams {
    return new URLSearchParams(this.#exchange.query);
  }

  /**
   * Returns the query as an object, validated by a schema. A name that is repeated has a list of strings as its value,
   * any other a string.
   *
   * @throws HttpError 422 with the schema's issues. Do not catch it, because the server sends it as the response.
   */
  readQuery<Output>(schema: StandardSchema<Output>): Promise<Output> {
    const lists = new Map<string, string[]>();
    for (const [name, value] of this.query) if (!lists.get(name)?.push(value)) lists.set(name, [value]);
    const entries = [...lists].map(([name, values]) => [name, values.length > 1 ? values : values[0]] as const);
    return ignoreRejection(validate(schema, Object.fromEntries(entries), 'query'));
  }

  /**
   * Returns the path segment that the route calls `:name`, or the rest of the path that it calls `*name`,
   * percent-decoded. A rest never leads out of a directory: segments that are empty, `.` or `..`, or that decode to
   * `/`, `\` or NUL, are rejected.
   *
   * @throws HttpError 400 if it cannot be decoded or is rejected; Error if the route has no parameter of this name
   */
  param(name: string): string {
    const { route: { pattern, names }, values } = this.#exchange.match;
    const value = values[names.indexOf(name)];
    if (value === undefined) throw new Error(`The route ${pattern} has no parameter ${name}: rename one of them`);
    return pattern.endsWith(`*${name}`) ? decodeRest(value) : decodeSegment(value);
  }

  /**
   * Reads the body as JSON, and validates it if a schema is given (https://standardschema.dev).
   *
   * @throws HttpError 400 (not JSON), 413 (longer than the limit), 415 (another media type), 422 (the schema's issues,
   *   each with its path); do not catch it
   */
  readJson(): Promise<unknown>;
  readJson<Output>(schema: StandardSchema<Output>): Promise<Output>;
  readJson(schema?: StandardSchema): Promise<unknown> {
    const { bodyError, resource } = this.#exchange;
    const error = jsonHeaderError(this.request) ?? bodyError;
    const value = readBody(this.request, resource.bodyLimit, parseJson, error);
    return schema ? ignoreRejection(value.then((body) => validate(schema, body, 'body'))) : value;
  }

  /**
   * Reads the body as bytes, whatever its media type.
   *
   * @param limit in bytes; default: `static bodyLimit`, or the server's
   * @throws HttpError 413 if the body is longer than the limit; do not catch it
   */
  readBody(limit = this.#exchange.resource.bodyLimit): Promise<Buffer<ArrayBuffer>> {
    return readBody(this.request, limit, (bytes) => bytes, this.#exchange.bodyError);
  }

  /**
   * Sets the status, which endHeaders() sends. Default: 204 if the method returns nothing, otherwise 200.
   *
   * @param status 200 to 599
   * @throws RangeError for any other status
   * @throws Error if the headers have been sent
   */
  sendResponse(status: number): void {
    if (!this.#exchange.ignoresLateCall('sendResponse()')) this.#exchange.head.setStatus(status);
  }

  /**
   * Adds a header, or replaces one that a response has only once, such as Content-Type. endHeaders() sends all headers.
   * If the method fails, the error response keeps only the headers of prepare(). Pass others to the HttpError. A
   * response without a Cache-Control has `no-store`.
   *
   * @throws TypeError for an invalid name or value, such as one with CR or LF
   * @throws Error for a header that the server sets itself, or if the headers have been sent. `Access-Control-*` is
   *   such a header, unless the class overrides sendCorsHeaders()
   */
  sendHeader(name: string, value: string | number): void {
    if (this.#exchange.ignoresLateCall('sendHeader()')) return;
    const hasOwnCors = this.sendCorsHeaders !== RequestHandler.prototype.sendCorsHeaders;
    if (!hasOwnCors && /^access-control-/i.test(name)) {
      const place = `static cors = { … } in ${this.constructor.name}`;
      throw new Error(`${name} follows from the CORS policy: write ${place}, or override sendCorsHeaders()`);
    }
    if (value === undefined || Array.isArray(value)) {
      throw new TypeError(`The value of ${name} must be a string or a number: call sendHeader() for each value`);
    }
    this.#exchange.head.add(name, String(value));
  }

  /**
   * Sets the CORS headers that the policy gives the request's origin (Fetch, "CORS protocol"). endHeaders() calls it
   * for every response, including errors. Override it to change the policy of one handler in code. Call super first,
   * because it removes every `Access-Control-*` header that was added before, and then call sendHeader().
   */
  sendCorsHeaders(): void {
    this.#exchange.head.setCorsHeaders(this.#exchange.corsHeaders);
  }

  /**
   * Sends status and headers, CORS included, and returns the stream for the body, which has no Content-Type unless you
   * send one. The response ends when the method does, so return or await whatever writes to the stream:
   * `return pipeline(source, this.endHeaders())`. If the method returns the stream itself, the response ends when the
   * stream does. `pipeline(a, b, body)` also handles an error of `a`, but `a.pipe(b).pipe(body)` does not. Override
   * endHeaders() to add a header to every response, preflights and 405 included.
   */
  endHeaders(): Writable {
    this.#exchange.logRejection(this.sendCorsHeaders());
    return this.#exchange.sendHeaders();
  }

  /**
   * Sends a value as the whole response. A value that the method returns passes through it, too. After endHeaders(), it
   * writes the value to the body. A string or bytes with a Content-Type other than JSON are sent as they are.
   *
   * @throws TypeError for a value that JSON cannot represent, such as a BigInt, a cycle, a promise or a Map, before
   *   anything is sent
   * @throws Error if the whole response has already been sent
   */
  sendJson(value: unknown): void {
    this.#exchange.sendValue(value);
  }

  /**
   * A signal to pass on to fetch(). It aborts when the client disconnects, when a timeout or an error ends the
   * response, and when the timeout of a shutdown expires. If the method opens a body in response to HEAD, it aborts
   * once the headers are sent.
   */
  get signal(): AbortSignal {
    return this.#exchange.signal;
  }

  /**
   * A signal that aborts when a graceful shutdown begins, so that a health check can respond 503 and an event stream
   * can end. It is the same for all requests, so remove your listener when the response is complete.
   */
  get shutdownSignal(): AbortSignal {
    return this.#exchange.state.shutdown.signal;
  }

  /**
   * Writes the entry of a response to the access log, once the response has been flushed or the connection is closed.
   * Override it to leave out entries, or to add fields: `super.logRequest({ ...entry, user })`.
   */
  logRequest(entry: AccessLogEntry): void {
    const { connection, request, state } = this.#exchange;
    state.log.request(request, connection.address, entry);
  }

  /**
   * Logs an error. The server does not call it for an HttpError that is sent as the response, nor for an error that
   * repeats the reason of `signal`.
   */
  logError(error: unknown): void {
    const { resource, state } = this.#exchange;
    state.log.error(error, `${resource.HandlerClass.name} ${this.request.method} ${this.path}`);
  }
}
