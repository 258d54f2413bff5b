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

/** A CORS policy. It is validated when the server is created; a policy that cannot work is an error. */
export type CorsOptions = CommonOptions &
  (
    | { /** Any page, without cookies. */ origins: '*'; credentials?: false }
    | { /** These pages. */ origins: readonly Origin[] | OriginPredicate; /** With cookies. */ credentials?: boolean }
  );

/** A configuration error: the option concerned and how to fix it. */
export interface CorsOptionError {
  option: keyof CommonOptions | 'origins' | 'credentials';
  message: string;
}

const MAX_AGE_SECONDS = 86_400;

/** RFC 9110, section 5.6.2. */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Headers that pages cannot set (Fetch, "forbidden request-header"), and those of the CORS protocol itself. */
const FORBIDDEN_REQUEST_HEADER = new RegExp(
  `^(?:${[
    'accept-charset', 'accept-encoding', 'access-control-.*', 'connection', 'content-length', 'cookie2?', 'date', 'dnt',
    'expect', 'host', 'keep-alive', 'origin', 'proxy-.*', 'referer', 'sec-.*', 'set-cookie2?', 'te', 'trailer',
    'transfer-encoding', 'upgrade', 'via',
  ].join('|')})$`,
);

/** Returns all errors in `options` at once. */
export function corsErrors(options: CorsOptions): CorsOptionError[] {
  const { origins, credentials = false, methods = [], allowedHeaders = [], exposedHeaders = [], maxAge = 0 } = options;
  const errors: CorsOptionError[] = [];
  const reject = (option: CorsOptionError['option'], message: string) => errors.push({ option, message });

  if (typeof credentials !== 'boolean') {
    reject('credentials', `${String(credentials)} is not a boolean: write true or false`);
  }
  if (origins === '*') {
    // Fetch, "CORS protocol and credentials": browsers reject this combination.
    if (credentials === true) {
      const advice = 'list the origins, such as https://app.example.com, or decide in code, with origins: () => true';
      reject('credentials', `cannot be true with origins '*': ${advice}`);
    }
  } else if (Array.isArray(origins)) {
    if (origins.length === 0) {
      reject('origins', 'must not be empty: list an origin, such as https://app.example.com, or write * for any');
    }
    for (const entry of origins) {
      const message = originError(entry, credentials === true);
      if (message) reject('origins', message);
    }
  } else if (typeof origins !== 'function') {
    reject('origins', `${String(origins)} is not a list: write '*', ['https://app.example.com'] or (origin) => …`);
  }

  for (const method of listOf('methods', methods)) {
    const upper = method.toUpperCase();
    if (method === 'CONNECT' || method === 'TRACE' || method === 'TRACK') {
      reject('methods', `${method} cannot be sent by scripts (Fetch, "forbidden method"): remove it`);
    } else if (!http.METHODS.includes(upper)) {
      reject('methods', `${method} is not an HTTP method: write one, such as GET`);
    } else if (method !== upper) {
      reject('methods', `${method}: methods are case-sensitive, write ${upper}`);
    }
  }

  if (allowedHeaders !== '*') {
    for (const name of listOf('allowedHeaders', allowedHeaders)) {
      if (name === '*') reject('allowedHeaders', '* must stand alone, not in a list: remove it, or remove the others');
      else if (!TOKEN.test(name)) reject('allowedHeaders', `${notAName(name)} x-api-key`);
      else if (FORBIDDEN_REQUEST_HEADER.test(name.toLowerCase())) {
        reject('allowedHeaders', `${name} cannot be set by scripts: remove it`);
      }
    }
  }
  for (const name of listOf('exposedHeaders', exposedHeaders)) {
    if (name === '*' && credentials) reject('exposedHeaders', '* has no effect with credentials: list the headers');
    else if (!TOKEN.test(name)) reject('exposedHeaders', `${notAName(name)} x-total-count`);
    else if (/^set-cookie2?$/i.test(name)) reject('exposedHeaders', `${name} cannot be read by scripts: remove it`);
  }

  if (!Number.isInteger(maxAge) || maxAge < 0 || maxAge > MAX_AGE_SECONDS) {
    reject('maxAge', `${maxAge} is not a whole number of seconds from 0 to ${MAX_AGE_SECONDS}: write one, such as 600`);
  }
  return errors;

  function listOf(option: CorsOptionError['option'], names: unknown): string[] {
    if (Array.isArray(names)) return names.map(String);
    reject(option, `${String(names)} is not a list: write ['${String(names)}']`);
    return [];
  }
}

function notAName(name: string): string {
  return `${JSON.stringify(name)} is not a header name: write one, such as`;
}
