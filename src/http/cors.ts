import type { IncomingMessage } from 'node:http';
import type { CorsOptions, OriginPredicate } from './cors-options.ts';
import { TOKEN } from './cors-options.ts';
import { isSerialisedOrigin, originPattern } from './origins.ts';

/** What one origin gets, as flat lists of names and values, ready to be sent. */
export interface Grant {
  readonly actual: readonly string[];
  readonly preflight: readonly string[];
}

/** Served, but with nothing granted: what is not a cross-origin request needs no grant. */
export const UNGRANTED: Grant = { actual: [], preflight: [] };

const DEFAULT_ALLOWED_HEADERS = ['authorization', 'content-type', 'x-api-key'];
const DEFAULT_MAX_AGE = 600;

/** The most that `allowedHeaders: '*'` with credentials gives back of what a preflight asks for, in characters. */
const MIRROR_LIMIT = 1024;

/** CorsOptions as a compiled policy: every header list is made here, once, and a request costs a look-up. */
export class CorsPolicy {
  /** What every answer varies on (RFC 9110, section 12.5.5), whatever this one's Origin was. */
  readonly vary: 'Origin' | undefined;
  /** `allowedHeaders: '*'` with credentials, where `*` would be a header of that name: the preflight's own names, checked. */
  readonly mirrorsHeaders: boolean;
  readonly methods: readonly string[] | undefined;
  /** What a request without an Origin gets. */
  readonly withoutOrigin: Grant;
  readonly #anyOrigin: Grant | undefined;
  readonly #origins = new Map<string, Grant>();
  readonly #patterns: readonly ((origin: string) => boolean)[] = [];
  readonly #predicate: OriginPredicate | undefined;
  /** How messages call it: `cors`, or `NotesHandler.cors`. */
  readonly name: string;
  readonly credentials: boolean;
  readonly #maxAge: string;
  readonly #allowedHeaders: readonly string[];
  readonly #exposedHeaders: readonly string[];
  readonly #logError: (error: unknown, where: string) => void;

  /** `options` have no corsFaults. */
  constructor(options: CorsOptions, name: string, logError: (error: unknown, where: string) => void) {
    const { origins, credentials = false, methods, allowedHeaders = DEFAULT_ALLOWED_HEADERS, exposedHeaders = [], maxAge = DEFAULT_MAX_AGE } = options;
    this.name = name;
    this.vary = origins === '*' ? undefined : 'Origin';
    this.credentials = credentials;
    this.methods = methods;
    this.mirrorsHeaders = allowedHeaders === '*' && credentials;
    this.#maxAge = String(maxAge);
    this.#logError = logError;
    // Fetch, "CORS non-wildcard request-header name": * does not cover authorization.
    this.#allowedHeaders = allowedHeaders === '*' ? ['*', 'authorization'] : allowedHeaders.map((header) => header.toLowerCase());
    this.#exposedHeaders = exposedHeaders.map((header) => header.toLowerCase());

    if (origins === '*') {
      this.#anyOrigin = this.#grantTo('*');
    } else if (typeof origins === 'function') {
      this.#predicate = origins;
    } else {
      this.#patterns = origins.flatMap((entry) => originPattern(entry) ?? []);
      for (const entry of origins) if (!entry.includes('*')) this.#origins.set(entry, this.#grantTo(entry));
    }
    this.withoutOrigin = this.#anyOrigin ?? UNGRANTED;
    Object.freeze(this);
  }

  /**
   * What `origin`, the value of a request's Origin header, is granted: undefined where it is refused. A promise
   * only where an asynchronous predicate has to decide.
   */
  grant(origin: string | undefined, request: IncomingMessage): Grant | undefined | Promise<Grant | undefined> {
    if (this.#anyOrigin) return this.#anyOrigin;
    if (origin === undefined) return this.withoutOrigin;
    const known = this.#origins.get(origin);
    if (known) return known;
    if (this.#patterns.some((matches) => matches(origin))) return this.#grantTo(origin);
    if (isSameOrigin(origin, request)) return UNGRANTED;
    return this.#predicate && isSerialisedOrigin(origin) ? this.#ask(this.#predicate, origin, request) : undefined;
  }

  #ask(predicate: OriginPredicate, origin: string, request: IncomingMessage): Grant | undefined | Promise<Grant | undefined> {
    const decide = (granted: boolean) => (granted === true ? this.#grantTo(origin) : undefined);
    try {
      const granted = predicate(origin, request);
      return granted instanceof Promise ? granted.then(decide).catch((error: unknown) => this.#refuse(error)) : decide(granted);
    } catch (error) {
      return this.#refuse(error);
    }
  }

  #refuse(error: unknown): undefined {
    this.#logError(error, `${this.name}.origins`);
  }

  /** Whether a preflight that asks for the request header `name`, in lower case, gets it. */
  allows(name: string): boolean {
    return this.#allowedHeaders.includes(name) || this.#allowedHeaders[0] === '*';
  }

  /** Whether a page can read the response header `name`. */
  exposes(name: string): boolean {
    return this.#exposedHeaders.includes('*') || this.#exposedHeaders.includes(name.toLowerCase());
  }

  /** Fetch, "CORS check": the origin byte for byte or `*`; and with credentials, exactly `true`. */
  #grantTo(origin: string): Grant {
    const grant = ['Access-Control-Allow-Origin', origin];
    if (this.credentials) grant.push('Access-Control-Allow-Credentials', 'true');
    const actual = [...grant];
    if (this.#exposedHeaders.length) actual.push('Access-Control-Expose-Headers', this.#exposedHeaders.join(','));
    const preflight = [...grant, 'Access-Control-Max-Age', this.#maxAge];
    if (this.#allowedHeaders.length && !this.mirrorsHeaders) preflight.push('Access-Control-Allow-Headers', this.#allowedHeaders.join(','));
    return { actual, preflight };
  }
}

/** The names that a preflight asks for, to be sent back: undefined where one is no token, or they are too many. */
export function mirroredHeaders(request: IncomingMessage): string | undefined {
  const asked = request.headers['access-control-request-headers'];
  if (!asked || asked.length > MIRROR_LIMIT) return undefined;
  const names = asked.split(',').map((name) => name.trim().toLowerCase());
  return names.every((name) => TOKEN.test(name)) ? names.join(',') : undefined;
}

/**
 * Browsers send an Origin with a page's own POSTs too (Fetch, "append a request `Origin` header"). The scheme is
 * not compared: behind a proxy that ends TLS, the server cannot know it.
 */
function isSameOrigin(origin: string, request: IncomingMessage): boolean {
  const { host } = request.headers;
  return request.headers['sec-fetch-site'] === 'same-origin' || origin === `http://${host}` || origin === `https://${host}`;
}

/** Fetch, "CORS-preflight request": all three, or it is an OPTIONS like any other. */
export function isPreflight(request: IncomingMessage): boolean {
  return request.method === 'OPTIONS' && request.headers.origin !== undefined && !!request.headers['access-control-request-method'];
}
