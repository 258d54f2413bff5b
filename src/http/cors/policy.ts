import type { IncomingMessage } from 'node:http';
import type { Log } from '../node/log.ts';
import { ABSOLUTE_FORM } from '../request-target.ts';
import { type CorsOptions, type OriginPredicate, TOKEN } from './options.ts';
import { isSerializedOrigin, originMatcher } from './origins.ts';

/**
 * The decision about a request. With `origins: '*'`, every request is allowed, even a request without an Origin. With
 * any other policy, a request without an Origin, or of a page of this server that is not listed, is served without CORS
 * headers.
 */
export type CorsDecision = 'allowed' | 'allowed preflight' | 'not cross-origin' | 'denied';

/** The longest list of header names that `allowedHeaders: '*'` with credentials sends back, in characters. */
const MAX_MIRRORED_LENGTH = 1024;

/** Compiled CorsOptions. */
export type CorsPolicy = Readonly<ReturnType<typeof corsPolicy>>;

/**
 * Compiles a policy.
 *
 * @param options that corsErrors has accepted
 * @param name of the policy in messages: `cors`, or `NotesHandler.cors`
 */
export function corsPolicy(options: CorsOptions, name: string, log: Log) {
  const { origins, credentials = false, methods, exposedHeaders = [], maxAge = 600 } = options;
  const { allowedHeaders = ['authorization', 'content-type', 'x-api-key'] } = options;
  const isListed = originMatcher(typeof origins === 'object' ? origins : []);
  const common = credentials ? ['Access-Control-Allow-Credentials', 'true'] : [];
  const exposed = exposedHeaders.join(',').toLowerCase();
  const actualHeaders = exposed ? [...common, 'Access-Control-Expose-Headers', exposed] : common;
  const preflightHeaders = [...common, 'Access-Control-Max-Age', String(maxAge)];
  // Fetch, "CORS non-wildcard request-header name": * does not cover authorization.
  const allowedNames = (allowedHeaders === '*' ? ['*', 'authorization'] : allowedHeaders).join(',').toLowerCase();

  return {
    name,
    /** `Origin` if responses depend on it (RFC 9110, section 12.5.5). */
    vary: origins === '*' ? undefined : 'Origin',
    /** The methods that preflights may allow, or undefined for all methods of the class. */
    methods,

    /** Decides about a request. If a predicate must decide, returns a promise, which never rejects. */
    decide(request: IncomingMessage): CorsDecision | Promise<CorsDecision> {
      const allowed = isPreflight(request) ? 'allowed preflight' : 'allowed';
      if (origins === '*') return allowed;
      const { origin } = request.headers;
      if (origin === undefined) return 'not cross-origin';
      if (isListed(origin)) return allowed;
      if (isSameOrigin(origin, request)) return 'not cross-origin';
      if (typeof origins !== 'function' || !isSerializedOrigin(origin)) return 'denied';
      return ask(origins, origin, request).then((isAllowed) => (isAllowed ? allowed : 'denied'));
    },

    /**
     * Returns the CORS headers of the response (Fetch, "CORS protocol"), names and values in turn.
     *
     * @param corsMethods the value of Access-Control-Allow-Methods
     */
    headersFor(decision: CorsDecision, request: IncomingMessage, corsMethods: string): string[] {
      if (decision === 'denied' || decision === 'not cross-origin') return [];
      const origin = origins === '*' ? '*' : request.headers.origin!;
      if (decision === 'allowed') return ['Access-Control-Allow-Origin', origin, ...actualHeaders];
      const headers = ['Access-Control-Allow-Origin', origin, ...preflightHeaders];
      // With credentials, browsers read * as a name, so the requested names are sent back (Fetch, "CORS protocol").
      const names = allowedHeaders === '*' && credentials ? mirroredHeaders(request) : allowedNames;
      if (names) headers.push('Access-Control-Allow-Headers', names);
      headers.push('Access-Control-Allow-Methods', corsMethods);
      return headers;
    },
  };

  async function ask(predicate: OriginPredicate, origin: string, request: IncomingMessage): Promise<boolean> {
    try {
      return (await predicate(origin, request)) === true;
    } catch (error) {
      log.error(error, `${name}.origins`);
      return false;
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
 * Returns whether a page of this server sent the request. Browsers send an Origin with a same-origin POST too (Fetch,
 * "append a request `Origin` header"). If Sec-Fetch-Site is sent, nothing else is compared. Without it, the scheme is
 * not compared, because a server behind a TLS proxy cannot know its own scheme.
 */
function isSameOrigin(origin: string, { headers, url = '' }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  // RFC 9112, section 3.2.2: a target in absolute-form overrides the Host.
  const host = ABSOLUTE_FORM.exec(url)?.[1] ?? headers.host;
  return host !== undefined && (origin === `http://${host}` || origin === `https://${host}`);
}

/** Returns whether a request is a preflight (Fetch, "CORS-preflight request"), not an ordinary OPTIONS. */
function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && !!headers['access-control-request-method'];
}
