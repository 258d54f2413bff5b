import type { IncomingMessage } from 'node:http';
import type { Log } from '../node/log.ts';
import { ABSOLUTE_FORM } from '../target.ts';
import { type CorsOptions, type OriginPredicate, TOKEN } from './options.ts';
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

/** CorsOptions, compiled: every header list is made here, once, so that a request costs a look-up. */
export class CorsPolicy {
  /** How messages call it: `cors`, or `NotesHandler.cors`. */
  readonly name: string;
  /** What every answer varies on (RFC 9110, section 12.5.5), whatever this one's Origin was. */
  readonly vary: 'Origin' | undefined;
  /** Narrows Access-Control-Allow-Methods; undefined: what the class implements. */
  readonly methods: readonly string[] | undefined;
  /** `allowedHeaders: '*'` with credentials, where `*` would be a header of that name: the preflight's own names. */
  readonly mirrorsHeaders: boolean;
  /** Decides where `origins` is a function. */
  readonly predicate: OriginPredicate | undefined;
  readonly #anyOrigin: Grant | undefined;
  readonly #known = new Map<string, Grant>();
  readonly #patterns: readonly ((origin: string) => boolean)[] = [];
  readonly #grantTo: (origin: string) => Grant;
  readonly #log: Log;

  /** @param options already checked by corsFaults */
  constructor(options: CorsOptions, name: string, log: Log) {
    const { origins, credentials = false, methods, allowedHeaders = DEFAULT_ALLOWED_HEADERS } = options;
    this.name = name;
    this.vary = origins === '*' ? undefined : 'Origin';
    this.methods = methods && [...methods];
    this.mirrorsHeaders = allowedHeaders === '*' && credentials;
    this.#grantTo = grantWith(options);
    this.#log = log;
    if (origins === '*') {
      this.#anyOrigin = this.#grantTo('*');
    } else if (typeof origins === 'function') {
      this.predicate = origins;
    } else {
      this.#patterns = origins.flatMap((entry) => originPattern(entry) ?? []);
      for (const entry of origins) if (!entry.includes('*')) this.#known.set(entry, this.#grantTo(entry));
    }
    Object.freeze(this);
  }

  /**
   * What a request is granted: undefined where its origin is refused. A promise only where an asynchronous predicate
   * has to decide; it never rejects.
   *
   * @param request undefined for bytes that are not a request
   */
  grant(request?: IncomingMessage): Grant | undefined | Promise<Grant | undefined> {
    if (this.#anyOrigin) return this.#anyOrigin;
    const origin = request?.headers.origin;
    if (origin === undefined) return UNGRANTED;
    const known = this.#known.get(origin);
    if (known) return known;
    if (this.#patterns.some((matches) => matches(origin))) return this.#grantTo(origin);
    if (isSameOrigin(origin, request!)) return UNGRANTED;
    return this.predicate && isSerialisedOrigin(origin) ? this.#ask(this.predicate, origin, request!) : undefined;
  }

  #ask(predicate: OriginPredicate, origin: string, request: IncomingMessage): ReturnType<CorsPolicy['grant']> {
    try {
      const granted = predicate(origin, request);
      if (typeof granted === 'boolean') return granted ? this.#grantTo(origin) : undefined;
      return Promise.resolve(granted).then(
        (settled) => (settled === true ? this.#grantTo(origin) : undefined),
        (error: unknown) => this.#refuse(error),
      );
    } catch (error) {
      return this.#refuse(error);
    }
  }

  #refuse(error: unknown): undefined {
    this.#log.error(error, `${this.name}.origins`);
  }
}

/** Fetch, "CORS check": the origin byte for byte or `*`; and with credentials, exactly `true`. */
function grantWith({
  credentials, allowedHeaders = DEFAULT_ALLOWED_HEADERS, exposedHeaders = [], maxAge = DEFAULT_MAX_AGE,
}: CorsOptions): (origin: string) => Grant {
  // Fetch, "CORS non-wildcard request-header name": * does not cover authorization.
  const allowed = (allowedHeaders === '*' ? ['*', 'authorization'] : allowedHeaders).join(',').toLowerCase();
  const exposed = exposedHeaders.join(',').toLowerCase();
  const allowCredentials = credentials ? ['Access-Control-Allow-Credentials', 'true'] : [];
  const afterOrigin = exposed ? [...allowCredentials, 'Access-Control-Expose-Headers', exposed] : allowCredentials;
  const afterOriginOfPreflight = [...allowCredentials, 'Access-Control-Max-Age', String(maxAge)];
  if (allowed && !(allowedHeaders === '*' && credentials)) {
    afterOriginOfPreflight.push('Access-Control-Allow-Headers', allowed);
  }
  return (origin) => ({
    actual: ['Access-Control-Allow-Origin', origin, ...afterOrigin],
    preflight: ['Access-Control-Allow-Origin', origin, ...afterOriginOfPreflight],
  });
}

/** The names that a preflight asks for, to be sent back: undefined where one is not a token, or they are too many. */
export function mirroredHeaders(request: IncomingMessage): string | undefined {
  const asked = request.headers['access-control-request-headers'];
  if (!asked || asked.length > MIRROR_LIMIT) return undefined;
  const names = asked.split(',').map((name) => name.trim().toLowerCase());
  return names.every((name) => TOKEN.test(name)) ? names.join(',') : undefined;
}

/**
 * Browsers send an Origin with a page's own POSTs too (Fetch, "append a request `Origin` header"). Sec-Fetch-Site,
 * where it is sent, decides alone. The scheme is not compared: behind a proxy that ends TLS, the server cannot know it.
 */
function isSameOrigin(origin: string, { headers, url = '' }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  // RFC 9112, section 3.2.2: beside a target in absolute-form, the Host is ignored.
  const host = ABSOLUTE_FORM.exec(url)?.[1] ?? headers.host;
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}

/** Fetch, "CORS-preflight request": all three, or it is an OPTIONS like any other. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && !!headers['access-control-request-method'];
}
