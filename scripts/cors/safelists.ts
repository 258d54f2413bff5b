/** The safelists of the Fetch standard, which say what a page may send to another origin without a preflight. */

import { type Header, getHeader, splitValue, trim } from './header-list.ts';

const NORMALISED_METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];
const FORBIDDEN_METHODS = ['CONNECT', 'TRACE', 'TRACK'];

/** Implements "normalize a method". `patch` is not on the list and stays unchanged. */
export function normaliseMethod(method: string): string {
  const upperCase = method.toUpperCase();
  return NORMALISED_METHODS.includes(upperCase) ? upperCase : method;
}

/** Implements "forbidden method". */
export function isForbiddenMethod(method: string): boolean {
  return FORBIDDEN_METHODS.includes(method.toUpperCase());
}

/** Implements "CORS-safelisted method". */
export function isSafelistedMethod(method: string): boolean {
  return isGetOrHead(method) || method === 'POST';
}

export function isGetOrHead(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

const FORBIDDEN_REQUEST_HEADERS = new Set([
  'accept-charset', 'accept-encoding', 'access-control-request-headers', 'access-control-request-method',
  'connection', 'content-length', 'cookie', 'cookie2', 'date', 'dnt', 'expect', 'host', 'keep-alive', 'origin',
  'referer', 'set-cookie', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'via',
]);
const METHOD_OVERRIDES = ['x-http-method', 'x-http-method-override', 'x-method-override'];

/** Implements "forbidden request-header", which `fetch()` drops silently. */
export function isForbiddenRequestHeader([name, value]: Header): boolean {
  const lowerCase = name.toLowerCase();
  if (FORBIDDEN_REQUEST_HEADERS.has(lowerCase) || /^(?:proxy|sec)-/.test(lowerCase)) return true;
  return METHOD_OVERRIDES.includes(lowerCase) && splitValue(value).some(isForbiddenMethod);
}

const UNSAFE_BYTE = /[\0-\x08\x0A-\x1F"():<>?@[\\\]{}\x7F]/;
const LANGUAGE = /^[0-9A-Za-z *,\-.;=]*$/;
const FORM_TYPES = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];

/** Implements "CORS-safelisted request-header". Each character of a header is one byte, so `length` counts bytes. */
export function isSafelistedRequestHeader([name, value]: Header): boolean {
  if (value.length > 128) return false;
  switch (name.toLowerCase()) {
    case 'accept':
      return !UNSAFE_BYTE.test(value);
    case 'accept-language':
    case 'content-language':
      return LANGUAGE.test(value);
    case 'content-type':
      return !UNSAFE_BYTE.test(value) && FORM_TYPES.includes(trim(value.replace(/;.*/, '')).toLowerCase());
    case 'range': {
      const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(value) ?? [];
      return start !== undefined && (!end || BigInt(start) <= BigInt(end));
    }
    default:
      return false;
  }
}

/** Returns the "CORS-unsafe request-header names", which the server must allow, sorted and in lower case. */
export function unsafeRequestHeaderNames(headers: readonly Header[]): string[] {
  const safe = headers.filter(isSafelistedRequestHeader);
  const safelistValueSize = safe.reduce((size, [, value]) => size + value.length, 0);
  const unsafe = safelistValueSize > 1024 ? headers : headers.filter((header) => !safe.includes(header));
  return [...new Set(unsafe.map(([name]) => name.toLowerCase()))].sort();
}

/** Returns why a cross-origin request needs a preflight, or undefined if it needs none. */
export function whyPreflight(request: { method: string; headers: readonly Header[] }): string | undefined {
  const { method, headers } = request;
  const reasons: string[] = [];
  if (!isSafelistedMethod(method)) reasons.push(`the method ${method} is not GET, HEAD or POST`);
  const names = unsafeRequestHeaderNames(headers)
    .map((name) => (name === 'content-type' ? `content-type: ${getHeader(headers, name)}` : name));
  if (names.length > 0) reasons.push(`a page may not send ${names.join(', ')} to another origin without asking`);
  return reasons.length > 0 ? reasons.join(', and ') : undefined;
}
