import type { IncomingMessage } from 'node:http';
import type { Log } from '../node/log.ts';
import { ABSOLUTE_FORM } from '../request-target.ts';
import { type CorsOptions, type OriginPredicate, TOKEN } from './options.ts';
import { isSerializedOrigin, originMatcher } from './origins.ts';

/**
 * The decision about a request. With `origins: '*'`, every request is allowed, even a request without an Origin. With
 * any other policy, a request that is not cross-origin is served without CORS headers.
 */
export type CorsDecision = 'allowed' | 'not cross-origin' | 'denied';

/** The longest list of header names that `allowedHeaders: '*'` with credentials sends back, in characters. */
const MAX_MIRRORED_LENGTH = 1024;

/** Compiled CorsOptions. Lists of headers hold names and values in turn, as Node's writeHead() takes them. */
export class CorsPolicy {
  /** Its name in messages: `cors`, or `NotesHandler.cors`. */
  readonly name: string;
  /** `Origin` if responses depend on it (RFC 9110, section 12.5.5). */
  readonly vary: 'Origin' | undefined;
  /** Narrows Access-Control-Allow-Methods. If undefined, all methods of the class are allowed. */
  readonly methods: readonly string[] | undefined;
  readonly #predicate: OriginPredicate | undefined;
  readonly #isListed: (origin: string) => boolean;
  /** The headers of an actual response to an allowed origin, without Access-Control-Allow-Origin. */
  readonly #actualHeaders: readonly string[];
  /** The headers of every response to an allowed preflight. headersFor() adds the others. */
  readonly #preflightHeaders: readonly string[];
  /** Access-Control-Allow-Headers. If undefined, the requested names, because `*` has no meaning with credentials. */
  readonly #allowedHeaders: string | undefined;
  readonly #log: Log;

  /** @param options that corsErrors has accepted */
  constructor(options: CorsOptions, name: string, log: Log) {
    const { origins, credentials = false, methods, exposedHeaders = [], maxAge = 600 } = options;
    const { allowedHeaders = ['authorization', 'content-type', 'x-api-key'] } = options;
    this.name = name;
    this.vary = origins === '*' ? undefined : 'Origin';
    this.methods = methods;
    this.#predicate = typeof origins === 'function' ? origins : undefined;
    this.#isListed = originMatcher(typeof origins === 'object' ? origins : []);
    this.#log = log;
    const common = credentials ? ['Access-Control-Allow-Credentials', 'true'] : [];
    const exposed = exposedHeaders.join(',').toLowerCase();
    this.#actualHeaders = exposed ? [...common, 'Access-Control-Expose-Headers', exposed] : common;
    this.#preflightHeaders = [...common, 'Access-Control-Max-Age', String(maxAge)];
    // Fetch, "CORS non-wildcard request-header name": * does not cover authorization.
    const allowed = allowedHeaders === '*' ? ['*', 'authorization'] : allowedHeaders;
    const mirrors = allowedHeaders === '*' && credentials;
    this.#allowedHeaders = mirrors ? undefined : allowed.join(',').toLowerCase();
  }

  /** Decides about a request. Returns a promise, which never rejects, only if a predicate must decide. */
  decide(request: IncomingMessage): CorsDecision | Promise<CorsDecision> {
    if (!this.vary) return 'allowed';
    const { origin } = request.headers;
    if (origin === undefined) return 'not cross-origin';
    if (this.#isListed(origin)) return 'allowed';
    if (isSameOrigin(origin, request)) return 'not cross-origin';
    return this.#predicate && isSerializedOrigin(origin) ? this.#ask(this.#predicate, origin, request) : 'denied';
  }

  /**
   * Returns the CORS headers of the response to an allowed request (Fetch, "CORS protocol").
   *
   * @param methods the value of Access-Control-Allow-Methods
   */
  headersFor(request: IncomingMessage, methods: string): string[] {
    const origin = this.vary ? request.headers.origin! : '*';
    if (!isPreflight(request)) return ['Access-Control-Allow-Origin', origin, ...this.#actualHeaders];
    const headers = ['Access-Control-Allow-Origin', origin, ...this.#preflightHeaders];
    const allowed = this.#allowedHeaders ?? mirroredHeaders(request);
    if (allowed) headers.push('Access-Control-Allow-Headers', allowed);
    headers.push('Access-Control-Allow-Methods', methods);
    return headers;
  }

  async #ask(isAllowed: OriginPredicate, origin: string, request: IncomingMessage): Promise<CorsDecision> {
    try {
      return (await isAllowed(origin, request)) === true ? 'allowed' : 'denied';
    } catch (error) {
      this.#log.error(error, `${this.name}.origins`);
      return 'denied';
    }
  }
}

/** Returns the header names that a preflight asks for, unless one is not a token or the list is too long. */
function mirroredHeaders(request: IncomingMessage): string | undefined {
  const requested = request.headers['access-control-request-headers'];
  if (!requested || requested.length > MAX_MIRRORED_LENGTH) return undefined;
  const names = requested.split(',').map((name) => name.trim().toLowerCase());
  return names.every((name) => TOKEN.test(name)) ? names.join(',') : undefined;
}

/**
 * Returns whether a page of this server sent the request. Browsers send an Origin with such a POST too (Fetch, "append
 * a request `Origin` header"). If Sec-Fetch-Site is sent, nothing else is compared. Without it, the scheme is not
 * compared, because a server behind a TLS proxy cannot know its own scheme.
 */
function isSameOrigin(origin: string, { headers, url = '' }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  // RFC 9112, section 3.2.2: a target in absolute-form overrides the Host.
  const host = ABSOLUTE_FORM.exec(url)?.[1] ?? headers.host;
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}

/** Returns whether a request is a preflight (Fetch, "CORS-preflight request"), not an ordinary OPTIONS. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && !!headers['access-control-request-method'];
}
