import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import type { CorsOptions } from './cors/options.ts';
import type { Exchange } from './exchange.ts';
import { toJson } from './json-answer.ts';
import { jsonHeadFault, parseJson } from './json-body.ts';
import type { AccessLogEntry } from './node/log.ts';
import { handled, readBody, rejected } from './request-body.ts';
import { type StandardSchema, validate } from './standard-schema.ts';
import { decodeRest, decodeSegment, pathOf, queryOf } from './target.ts';

/**
 * Extend this class, and give it the methods that its path answers: `doGet`, `doPost`, … , one for each name in
 * http.METHODS (`M-SEARCH`: `doMSearch`). What a method returns is the answer, sent as JSON: a value is a 200,
 * `undefined` a 204, and a promise is awaited. Throw an HttpError for an error. `Allow`, the CORS methods, HEAD (from
 * `doGet`), OPTIONS and 405 follow from the methods that are there.
 */
export class RequestHandler {
  /** This path's own policy, instead of the server's. */
  static readonly cors?: CorsOptions;
  /** The most that a body sent to this path may have, in bytes, instead of the server's limit. */
  static readonly bodyLimit?: number;

  /** Node's own request: `request.headers['x-api-key']`, names in lower case. */
  readonly request: IncomingMessage;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.request = exchange.request;
  }

  doGet?(): unknown;
  doHead?(): unknown;
  doPost?(): unknown;
  doPut?(): unknown;
  doPatch?(): unknown;
  doDelete?(): unknown;
  doQuery?(): unknown;

  /** Answers preflights, and any other OPTIONS with `Allow`. Override it to answer them yourself. */
  doOptions(): unknown {
    if (!this.#exchange.isPreflight) this.sendHeader('Allow', this.#exchange.resource.allow);
    return undefined;
  }

  /**
   * Runs before the method: the place for authentication. A promise is awaited; what it returns is ignored; throw an
   * HttpError to refuse. Not run for a preflight, which carries no credentials (Fetch, "CORS-preflight fetch").
   */
  prepare?(): unknown;

  /** The path as it was sent, without the query: nothing is decoded. */
  get path(): string {
    return pathOf(this.#exchange.target);
  }

  /** The query, made anew each time it is asked for: `this.query.get('page')` is a string, or null. */
  get query(): URLSearchParams {
    return new URLSearchParams(queryOf(this.#exchange.target));
  }

  /**
   * The part of the path that the route calls `:name`, or all the rest that it calls `*name`, percent-decoded. A rest
   * never leads out of a folder: a part that is empty, `.` or `..`, or that decodes to `/`, `\` or NUL, is refused.
   * @throws HttpError 400 where it cannot be decoded or is refused; Error where the route has no such name
   */
  param(name: string): string {
    const { parameters, resource: { pattern } } = this.#exchange;
    const value = parameters.get(name);
    if (value === undefined) throw new Error(`The route ${pattern} has no :${name}`);
    return pattern.endsWith(`*${name}`) ? decodeRest(value) : decodeSegment(value);
  }

  /**
   * Reads the body as JSON, and checks it where a schema is given (https://standardschema.dev).
   * @throws HttpError 400 (not JSON), 413 (over the body limit), 415 (another media type), 422 (the schema's issues,
   *   each with its path): do not catch them, the engine answers
   */
  readJson(): Promise<unknown>;
  readJson<Output>(schema: StandardSchema<Output>): Promise<Output>;
  readJson(schema?: StandardSchema): Promise<unknown> {
    const fault = jsonHeadFault(this.request);
    const value = fault ? rejected(fault) : readBody(this.request, this.#exchange.resource.bodyLimit, parseJson);
    return schema ? handled(value.then((body) => validate(schema, body))) : value;
  }

  /**
   * Reads the body as it is, of whatever media type.
   * @param limit in bytes; default: `static bodyLimit`, or the server's
   * @throws HttpError 413 (over the limit): do not catch it, the engine answers
   */
  readBody(limit = this.#exchange.resource.bodyLimit): Promise<Buffer> {
    return readBody(this.request, limit, (bytes) => bytes);
  }

  /** Chooses the status, 200 to 599 (a RangeError for any other); default: 200 with a body, 204 without. */
  sendResponse(status: number): void {
    this.#exchange.head.choose(status);
  }

  /**
   * Adds a header to the answer; the headers leave together, in endHeaders().
   * @throws TypeError for a name or value that no header can have (CR, LF, …); Error for `Access-Control-*`, unless
   *   the class overrides sendCorsHeaders()
   */
  sendHeader(name: string, value: string | number): void {
    const followsPolicy = this.sendCorsHeaders === RequestHandler.prototype.sendCorsHeaders;
    if (followsPolicy && /^access-control-/i.test(name)) {
      const place = `static cors = {…} in ${this.constructor.name}`;
      throw new Error(`${name} follows from the policy: write ${place}, or override sendCorsHeaders()`);
    }
    this.#exchange.head.add(name, String(value));
  }

  /**
   * Adds the headers by which the policy grants this request's origin its access (Fetch, "CORS protocol"). endHeaders()
   * calls it for every answer, errors too, so a handler need not; twice does no harm. Override it to change the policy
   * of one handler in code: call super first, which drops any `Access-Control-*` sent before, then sendHeader().
   */
  sendCorsHeaders(): void {
    this.#exchange.grantHeaders();
  }

  /**
   * Sends status and headers, CORS included, and returns the stream for the body: the only way to it. The answer ends
   * when the method does, so return or await whatever writes to it: `return pipeline(source, this.endHeaders())`.
   */
  endHeaders(): Writable {
    this.sendCorsHeaders();
    return this.#exchange.begin();
  }

  /**
   * Sends a value as the whole answer, as returning it does; after endHeaders(), only writes it to the body.
   * @throws TypeError for what JSON cannot say (BigInt, a cycle, a function, a Map, …), before anything has left
   */
  sendJson(value: unknown): void {
    const { body, stream } = this.#exchange;
    const json = toJson(value, this);
    if (stream && body !== undefined) throw new Error('The answer has left already: a request has one');
    if (stream) return void stream.write(json);
    this.#exchange.setBody(json, 'application/json');
    this.endHeaders();
  }

  /** Aborts when the client leaves before the answer, or the time for the answer is up: pass it on to fetch(). */
  get signal(): AbortSignal {
    return this.#exchange.signal;
  }

  /** True once the server is stopping: a health check answers 503 then, and a stream comes to its end. */
  get draining(): boolean {
    return this.#exchange.state.draining;
  }

  /**
   * Called once for each answer of this class, and writes its line in the log; a refused origin and a protocol fault
   * are logged without it. Override it to omit the line, or to add fields: `super.logRequest({ ...entry, user })`.
   */
  logRequest(entry: AccessLogEntry): void {
    const { connection, request, state } = this.#exchange;
    state.log.request(request, connection?.address, entry);
  }

  /** Called for an error that is not an HttpError, or that comes after the headers have left; writes it to the log. */
  logError(error: unknown): void {
    this.#exchange.state.log.error(error, `${this.constructor.name} ${this.request.method} ${this.path}`);
  }
}
