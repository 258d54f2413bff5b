import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import type { CorsOptions } from './cors-options.ts';
import type { Exchange } from './exchange.ts';
import { HttpError } from './http-error.ts';
import { readJson } from './json-body.ts';
import type { Issue, StandardSchema } from './standard-schema.ts';

/** A class that answers one path; one instance is made for each request. */
export interface HandlerClass {
  new (exchange: Exchange): RequestHandler;
  readonly cors?: CorsOptions;
}

/**
 * Extend this class, and give it the methods that its path answers: `doGet`, `doPost`, … , one for each name in
 * http.METHODS (`M-SEARCH`: `doMSearch`). What a method returns is the answer, sent as JSON: a value 200,
 * `undefined` 204, and a promise whatever it settles to. Throw an HttpError for any other answer. `Allow`, the CORS
 * methods, HEAD (from `doGet`), OPTIONS and 405 follow from the methods that are there.
 */
export class RequestHandler {
  /** This path's own policy, instead of the server's. */
  static readonly cors?: CorsOptions;

  /** Node's own request. */
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
   * Runs before the method: the place for authentication. What it returns is ignored, a promise awaited, an HttpError
   * is the answer. Not run for a preflight, which carries no credentials (Fetch, "CORS-preflight fetch").
   */
  prepare?(): unknown;

  /** The path as it was sent, without the query: nothing is decoded. */
  get path(): string {
    return this.#exchange.target.split('?', 1)[0]!;
  }

  /** The query, made anew each time it is asked for. */
  get query(): URLSearchParams {
    const { target } = this.#exchange;
    const mark = target.indexOf('?');
    return new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
  }

  /**
   * The part of the path that the route calls `:name`, percent-decoded.
   * @throws HttpError 400 where it cannot be decoded; Error where the route has no such name
   */
  param(name: string): string {
    const { resource, values } = this.#exchange;
    const value = values[resource.names.indexOf(name)];
    if (value === undefined) throw new Error(`The route of ${this.constructor.name} has no :${name}`);
    try {
      return decodeURIComponent(value);
    } catch {
      throw new HttpError(400, `The path is not percent-encoded UTF-8: ${value}`);
    }
  }

  /**
   * Reads the body as JSON, and checks it where a schema is given (https://standardschema.dev).
   * @throws HttpError 400 (not JSON), 413 (over the body limit), 415 (another media type), 422 (the schema's issues,
   *   each with its path): leave them, and the engine answers
   */
  readJson(): Promise<unknown>;
  readJson<Output>(schema: StandardSchema<Output>): Promise<Output>;
  readJson(schema?: StandardSchema): Promise<unknown> {
    const { request, response, state } = this.#exchange;
    const value = readJson(request, response, state.bodyLimit);
    return schema ? value.then((body) => validate(schema, body)) : value;
  }

  /**
   * Chooses the status, 200 to 599; left out, it is 200 with a body and 204 without.
   * @throws RangeError for any other
   */
  sendResponse(status: number): void {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`An answer has a status from 200 to 599, not ${status}`);
    }
    this.#exchange.head.status = status;
  }

  /**
   * Adds a header to the answer; the headers leave together, in endHeaders().
   * @throws TypeError for a name or value that no header can have (CR, LF, …); Error for `Access-Control-*`, which
   *   only an overridden sendCorsHeaders() may send
   */
  sendHeader(name: string, value: string | number): void {
    const { begun, head } = this.#exchange;
    if (begun) throw new Error(`${name} comes too late: the headers have left`);
    if (!/^access-control-/i.test(name)) return head.add(name, String(value));
    if (this.sendCorsHeaders === RequestHandler.prototype.sendCorsHeaders) {
      throw new Error(`${name} follows from the policy: write static cors = {…} in ${this.constructor.name}, or override sendCorsHeaders()`);
    }
    head.remove(name.toLowerCase());
    head.add(name, String(value));
  }

  /**
   * Adds the headers by which the policy grants this request's origin its access (Fetch, "CORS protocol"). endHeaders()
   * calls it for every answer, errors too, so a handler need not; twice does no harm. Override it to change the policy
   * of one handler in code: in there, sendHeader() takes `Access-Control-*`.
   */
  sendCorsHeaders(): void {
    this.#exchange.grantHeaders();
  }

  /** Sends status and headers, CORS included, and returns the stream for the body: the only way to it. */
  endHeaders(): Writable {
    this.sendCorsHeaders();
    return this.#exchange.begin();
  }

  /**
   * Sends a value as the whole answer, as returning it does; after endHeaders(), only writes it to the body.
   * @throws TypeError for what JSON cannot say (BigInt, a cycle, a function), before anything has left
   */
  sendJson(value: unknown): void {
    const json = JSON.stringify(value) as string | undefined;
    if (json === undefined) throw new TypeError(`${this.constructor.name} answers with a ${typeof value}, which is no JSON value`);
    this.#exchange.send(json, 'application/json');
  }

  /** Aborts when the client leaves before the answer, or the time for the answer is up. Pass it on to fetch() and the like. */
  get signal(): AbortSignal {
    return this.#exchange.signal;
  }

  /** True once the server is stopping: a health check answers 503 then, and a stream comes to its end. */
  get draining(): boolean {
    return this.#exchange.state.draining;
  }

  /** Called once for each answer; writes the line of the access log. Override it to change or omit that. */
  logRequest(): void {
    this.#exchange.state.log.request(this.#exchange);
  }

  /** Called for what a method threw and no HttpError explains to the client; writes it to the log, whole. */
  logError(error: unknown): void {
    this.#exchange.state.log.error(error, `${this.constructor.name} ${this.request.method} ${this.path}`);
  }
}

async function validate(schema: StandardSchema, body: unknown): Promise<unknown> {
  const result = await schema['~standard'].validate(body);
  if (!result.issues) return result.value;
  const errors = result.issues.map((issue) => ({ detail: issue.message, pointer: pointer(issue) }));
  throw new HttpError(422, 'The body is not what this resource takes', {}, { errors });
}

/** RFC 6901, section 6, as RFC 9457 shows it: `#/author/name`. */
function pointer({ path = [] }: Issue): string {
  const keys = path.map((part) => String(typeof part === 'object' ? part.key : part));
  return `#${keys.map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('')}`;
}
