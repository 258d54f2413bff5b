import type { IncomingMessage } from 'node:http';
import { http } from '../node/builtins.ts';
import { originFault } from './origins.ts';

/** An origin as browsers send it, or one of the two patterns `https://*.example.com` and `http://localhost:*`. */
export type Origin = `http://${string}` | `https://${string}`;

/** Decides about one origin. What it throws or rejects with is logged, and the origin refused. */
export type OriginPredicate = (origin: string, request: IncomingMessage) => boolean | Promise<boolean>;

interface CommonOptions {
  /** Narrows Access-Control-Allow-Methods (not Allow); default: what the class implements. */
  methods?: readonly string[];
  /** Request headers that a page may send; default: authorization, content-type and x-api-key. */
  allowedHeaders?: '*' | readonly string[];
  /** Response headers that a page may read, beside Fetch's "CORS-safelisted response-header names". */
  exposedHeaders?: readonly string[];
  /** How long a browser may remember a preflight, in seconds: 0 to 86400; default: 600. */
  maxAge?: number;
}

/** Which pages may do what. Checked once, when the server is created: a policy that cannot work does not start. */
export type CorsOptions = CommonOptions &
  (
    | { /** Any page, without cookies. */ origins: '*'; credentials?: false }
    | { /** These pages. */ origins: readonly Origin[] | OriginPredicate; /** With cookies. */ credentials?: boolean }
  );

/** A setting that cannot work: the option, and what to write instead. */
export interface CorsOptionError {
  option: keyof CommonOptions | 'origins' | 'credentials';
  message: string;
}

const MAXIMUM_AGE = 86_400;

/** RFC 9110, section 5.6.2. */
export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Fetch, "forbidden request-header", which no page can send; and what steers the CORS protocol itself. */
const FORBIDDEN_REQUEST_HEADER = new RegExp(
  `^(?:${[
    'accept-charset', 'accept-encoding', 'access-control-.*', 'connection', 'content-length', 'cookie2?', 'date', 'dnt',
    'expect', 'host', 'keep-alive', 'origin', 'proxy-.*', 'referer', 'sec-.*', 'set-cookie2?', 'te', 'trailer',
    'transfer-encoding', 'upgrade', 'via',
  ].join('|')})$`,
);

/** Everything in `options` that cannot work, in one list, so that one start shows every fault. */
export function corsErrors(options: CorsOptions): CorsOptionError[] {
  const { origins, credentials = false, methods = [], allowedHeaders = [], exposedHeaders = [], maxAge = 0 } = options;
  const faults: CorsOptionError[] = [];
  const refuse = (option: CorsOptionError['option'], message: string) => faults.push({ option, message });

  if (typeof credentials !== 'boolean') refuse('credentials', `${String(credentials)} is neither true nor false`);
  if (origins === '*') {
    // Fetch, "CORS protocol and credentials": browsers refuse the pair.
    if (credentials === true) {
      const advice = 'name the pages, such as https://app.example.com, or decide about each in code, (origin) => …';
      refuse('credentials', `true does not go with origins '*': ${advice}`);
    }
  } else if (Array.isArray(origins)) {
    if (origins.length === 0) refuse('origins', `an empty list allows no page: name one, or write '*' for any`);
    for (const entry of origins) {
      const message = originFault(entry, credentials === true);
      if (message) refuse('origins', message);
    }
  } else if (typeof origins !== 'function') {
    refuse('origins', `${String(origins)} is not a list: write '*', ['https://app.example.com'] or (origin) => …`);
  }

  for (const method of listOf('methods', methods)) {
    const upper = method.toUpperCase();
    if (method === 'CONNECT' || method === 'TRACE' || method === 'TRACK') {
      refuse('methods', `${method} cannot be sent by a page (Fetch, "forbidden method"): leave it out`);
    } else if (!http.METHODS.includes(upper)) {
      refuse('methods', `${method} is not an HTTP method: write one such as GET`);
    } else if (method !== upper) {
      refuse('methods', `${method}: methods are case-sensitive, write ${upper}`);
    }
  }

  if (allowedHeaders !== '*') {
    for (const name of listOf('allowedHeaders', allowedHeaders)) {
      if (name === '*') refuse('allowedHeaders', '* must stand alone, not in a list');
      else if (!TOKEN.test(name)) refuse('allowedHeaders', `${notAName(name)} x-api-key`);
      else if (FORBIDDEN_REQUEST_HEADER.test(name.toLowerCase())) {
        refuse('allowedHeaders', `${name} cannot be set by a page: leave it out`);
      }
    }
  }
  for (const name of listOf('exposedHeaders', exposedHeaders)) {
    if (name === '*' && credentials) refuse('exposedHeaders', '* means nothing with credentials: name the headers');
    else if (!TOKEN.test(name)) refuse('exposedHeaders', `${notAName(name)} x-total-count`);
    else if (/^set-cookie2?$/i.test(name)) refuse('exposedHeaders', `${name} cannot be read by a page: leave it out`);
  }

  if (!Number.isInteger(maxAge) || maxAge < 0 || maxAge > MAXIMUM_AGE) {
    refuse('maxAge', `${maxAge} is not a whole number of seconds from 0 to ${MAXIMUM_AGE}: write one, such as 600`);
  }
  return faults;

  function listOf(option: CorsOptionError['option'], names: unknown): string[] {
    if (Array.isArray(names)) return names.map(String);
    refuse(option, `${String(names)} is not a list: write ['${String(names)}']`);
    return [];
  }
}

function notAName(name: string): string {
  return `${JSON.stringify(name)} is not a header name: write one such as`;
}
