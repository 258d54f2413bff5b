import type { IncomingMessage } from 'node:http';
import { http } from '../node/builtins.ts';
import { originError } from './origin-errors.ts';

/**
 * An origin as browsers and apps send it, such as `https://app.example.com` or `capacitor://localhost`, or one of the
 * patterns `https://*.example.com` and `http://localhost:*`.
 */
export type Origin = `${string}://${string}`;

/** Decides whether an origin is allowed. If it throws or rejects, the error is logged and the origin is denied. */
export type OriginPredicate = (origin: string, request: IncomingMessage) => boolean | Promise<boolean>;

interface CommonOptions {
  /** Restricts Access-Control-Allow-Methods, but not Allow. Default: the methods of the handler class. */
  methods?: readonly string[];
  /** Request headers that a page may send. Default: authorization, content-type and x-api-key. */
  allowedHeaders?: '*' | readonly string[];
  /** Response headers that a page may read, in addition to the CORS-safelisted ones (Fetch). */
  exposedHeaders?: readonly string[];
  /** How long a browser may cache a preflight, in seconds from 0 to 86400. Default: 600. */
  maxAge?: number;
}

/** A CORS policy. createServer() throws if a policy cannot work. */
export type CorsOptions = CommonOptions &
  (
    | { /** Any page, without cookies. */ origins: '*'; credentials?: false }
    | { /** These pages. */ origins: readonly Origin[] | OriginPredicate; /** With cookies. */ credentials?: boolean }
  );

/** A configuration error: the option concerned and how to fix it. */
export interface CorsOptionError {
  option: keyof CorsOptions;
  message: string;
}

/** A token (RFC 9110, section 5.6.2). */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Headers that pages cannot set (Fetch, "forbidden request-header"), and those of the CORS protocol itself. */
const FORBIDDEN_REQUEST_HEADER = new RegExp(
  '^(?:accept-(?:charset|encoding)|access-control-.*|connection|content-length|cookie2?|date|dnt|expect|host' +
    '|keep-alive|origin|proxy-.*|referer|sec-.*|set-cookie2?|te|trailer|transfer-encoding|upgrade|via)$', 'i',
);
/** A header that pages cannot read (Fetch, "forbidden response-header name"). */
const FORBIDDEN_RESPONSE_HEADER = /^set-cookie2?$/i;

/** Returns all errors in `options` at once. */
export function corsErrors(options: CorsOptions): CorsOptionError[] {
  if (typeof options !== 'object' || options === null) {
    const message = 'cannot be read, because the policy is not an object: write { origins: […] }';
    return [{ option: 'origins', message }];
  }
  // For options that are not set, these are any valid values. The defaults are in corsPolicy().
  const { origins = [], credentials = false, maxAge = 0, ...others } = options;
  const { methods = [], allowedHeaders = [], exposedHeaders = [], ...unknown } = others;
  const errors: CorsOptionError[] = [];
  const reject = (option: CorsOptionError['option'], message: string) => errors.push({ option, message });

  // tsc finds most of these, but `npm start` does not run it.
  const fix = 'write origins, credentials, methods, allowedHeaders, exposedHeaders or maxAge';
  for (const [name, value] of Object.entries(unknown)) {
    if (value !== undefined) reject(name as CorsOptionError['option'], `is not an option: ${fix}`);
  }
  if (typeof credentials !== 'boolean') {
    reject('credentials', `${String(credentials)} is not a boolean: write true or false`);
  }
  if (origins === '*') {
    // Fetch, "CORS protocol and credentials": browsers reject this combination.
    const advice = 'list the origins, such as https://app.example.com, or decide in code, with origins: () => true';
    if (credentials === true) reject('credentials', `cannot be true with origins '*': ${advice}`);
  } else if (typeof origins !== 'function') {
    const advice = 'list an origin, such as https://app.example.com, or write * for any';
    if (origins?.length === 0) reject('origins', `must not be empty: ${advice}`);
    checkEach('origins', origins, (entry) => originError(entry, credentials === true));
  }
  checkEach('methods', methods, methodError);
  checkEach('allowedHeaders', allowedHeaders === '*' ? [] : allowedHeaders, (name) => {
    if (name === '*') return '* must stand alone: write only * and no list, or remove it from the list';
    return headerError(name, FORBIDDEN_REQUEST_HEADER, 'set');
  });
  checkEach('exposedHeaders', exposedHeaders, (name) => {
    if (name === '*' && credentials) return '* has no effect with credentials: list the headers';
    return headerError(name, FORBIDDEN_RESPONSE_HEADER, 'read');
  });
  if (!Number.isInteger(maxAge) || maxAge < 0 || maxAge > 86_400) {
    reject('maxAge', `${maxAge} is not a whole number of seconds from 0 to 86400: write one, such as 600`);
  }
  return errors;

  function checkEach(option: CorsOptionError['option'], list: unknown, errorOf: (entry: string) => string | undefined) {
    if (!Array.isArray(list)) {
      const entries = typeof list === 'string' ? `'${list.split(/[\s,]+/).join("', '")}'` : '…';
      return void reject(option, `${String(list)} is not a list: write [${entries}]`);
    }
    for (const entry of list as unknown[]) {
      const message = typeof entry === 'string' ? errorOf(entry) : `${String(entry)} is not a string: remove it`;
      if (message) reject(option, message);
    }
  }
}

function methodError(method: string): string | undefined {
  const upper = method.toUpperCase();
  // Fetch, "forbidden method".
  if (/^(?:CONNECT|TRACE|TRACK)$/.test(upper)) return `${method} cannot be sent by scripts: remove it`;
  if (!http.METHODS.includes(upper)) return `${method} is not an HTTP method: write one, such as GET`;
  return method === upper ? undefined : `${method}: methods are case-sensitive, write ${upper}`;
}

function headerError(name: string, forbidden: RegExp, doing: 'set' | 'read'): string | undefined {
  if (!TOKEN.test(name)) return `${JSON.stringify(name)} is not a header name: write one, such as x-api-key`;
  return forbidden.test(name) ? `${name} cannot be ${doing} by scripts: remove it` : undefined;
}
