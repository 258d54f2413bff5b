import type { HttpError } from './http-error.ts';
import { http, inspect } from './node/builtins.ts';

/** Header names and values in turn, as Node's writeHead() takes them. A list is never changed, only replaced. */
type HeaderList = readonly string[];

/** Headers that a response has once (RFC 9110, section 5.3). add() replaces an earlier value, or merges it for Vary. */
const SINGLE_VALUE = new RegExp(
  '^(?:access-control-.*|cache-control|connection|content-(?:disposition|length|location|range|type)|date|etag' +
    '|expires|last-modified|location|retry-after|vary)$',
);
/** Headers that describe one body, and not the body of an error. */
const OF_BODY = /^content-(?:disposition|encoding|language|length|location|range|type)$/;
/** Headers of the handler that complete() does not copy. It adds them itself, but Node adds Connection. */
const DECIDED = /^(?:connection|content-length|vary|x-content-type-options)$/;

/** The status and the headers of a response, until they are sent. */
export class ResponseHead {
  /** The status, or 0 until it is set. */
  status = 0;
  /** The headers of the handler. complete() replaces them with all headers of the response. */
  headers: HeaderList = [];
  #corsHeaders: HeaderList = [];
  /** The headers that an error response keeps, or undefined for all. */
  #kept: HeaderList | undefined;
  isSent = false;

  /**
   * Sets the status.
   *
   * @throws RangeError for a status that is not from 200 to 599
   * @throws Error if the headers have been sent
   */
  setStatus(status: number): void {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`The status of a response must be from 200 to 599, not ${inspect(status)}`);
    }
    if (this.isSent) throw new Error(`The status ${status} comes too late: the headers have been sent`);
    this.status = status;
  }

  /**
   * Adds a header.
   *
   * @throws TypeError for an invalid name or value
   * @throws Error for a header that a handler cannot set, or if the headers have been sent
   */
  add(name: string, value: string): void {
    if (this.isSent) throw new Error(`The header ${name} comes too late: the headers have been sent`);
    http.validateHeaderName(name);
    http.validateHeaderValue(name, value);
    const lower = name.toLowerCase();
    if (lower === 'transfer-encoding' || lower === 'trailer') {
      throw new Error(`${name} is set by the server: leave it out`);
    }
    if (lower === 'content-length' && !/^\d{1,15}$/.test(value)) {
      throw new TypeError(`Content-Length must be a whole number of bytes, not ${value}`);
    }
    const whole = lower === 'vary' ? mergeVary(this.get(lower), value) : value;
    const others = SINGLE_VALUE.test(lower) ? without(this.headers, (other) => other === lower) : this.headers;
    this.headers = [...others, name, whole];
    // An override of sendCorsHeaders() may replace what super has set.
    if (this.#corsHeaders.length > 0) this.#corsHeaders = without(this.#corsHeaders, (other) => other === lower);
  }

  /** Sets the CORS headers, in place of any that were set before. */
  setCorsHeaders(headers: HeaderList): void {
    // Most responses have none, and a search has a measurable cost.
    if (this.headers.length > 0) this.headers = without(this.headers, (name) => name.startsWith('access-control-'));
    this.#corsHeaders = headers;
  }

  /** Keeps the present headers for an error response. */
  keepForError(): void {
    this.#kept = this.headers;
  }

  /**
   * Sets the status and headers of an error response. Removes the headers that were added since keepForError(), and
   * those that describe a body.
   */
  setError({ status, headers }: HttpError): void {
    this.headers = without(this.#kept ?? this.headers, (name) => OF_BODY.test(name));
    this.add('Content-Type', 'application/problem+json');
    this.status = status;
    for (const [name, value] of Object.entries(headers)) this.add(name, value);
  }

  /**
   * Returns the first value of a header.
   *
   * @param name in lower case
   */
  get(name: string): string | undefined {
    const { headers } = this;
    for (let at = 0; at < headers.length; at += 2) if (headers[at]!.toLowerCase() === name) return headers[at + 1];
    return undefined;
  }

  /**
   * Sets the default status, adds the server's own headers, and returns all headers.
   *
   * @param body undefined if its length is not known yet
   * @param isHead whether the request is a HEAD, whose response may have the length of GET (RFC 9110, section 8.6)
   * @param vary of the CORS policy
   */
  complete(body: string | Uint8Array | undefined, isHead: boolean, vary: string | undefined): string[] {
    const own = this.headers;
    const length = isHead || body === undefined ? this.get('content-length') : undefined;
    const status = (this.status ||= body === '' && length === undefined ? 204 : 200);
    const all = this.#corsHeaders.slice();
    if (own.length > 0) all.push(...without(own, (name) => DECIDED.test(name)));
    if (body && this.get('content-type') === undefined) all.push('Content-Type', 'application/json');
    // Without a length, a 205 would have a body (RFC 9112, section 6.3).
    if (status === 205) all.push('Content-Length', '0');
    // A 304 may have the length of GET, but not that of its own empty body.
    else if (status !== 204 && !(status === 304 && body !== undefined)) {
      if (length !== undefined) all.push('Content-Length', length);
      else if (body !== undefined) all.push('Content-Length', String(Buffer.byteLength(body)));
    }
    all.push('X-Content-Type-Options', 'nosniff');
    if (this.get('cache-control') === undefined) all.push('Cache-Control', 'no-store');
    const allVary = mergeVary(this.get('vary'), vary);
    if (allVary) all.push('Vary', allVary);
    this.headers = all;
    this.isSent = true;
    return all;
  }
}

/**
 * Returns a list without the headers that `isRemoved` selects.
 *
 * @param isRemoved gets each name in lower case
 */
function without(list: HeaderList, isRemoved: (name: string) => boolean): HeaderList {
  return list.filter((_, at) => !isRemoved(list[at - (at % 2)]!.toLowerCase()));
}

/** Returns the Vary list (RFC 9110, section 12.5.5) of both, without duplicates. A list that has `*` stays as it is. */
function mergeVary(names = '', more = ''): string {
  if (!names || !more) return names || more;
  const known = new Set(membersOf(names.toLowerCase()));
  const added = membersOf(more).filter((name) => !known.has(name.toLowerCase()));
  return known.has('*') || added.length === 0 ? names : [names, ...added].join(', ');
}

/** Returns the members of a list of names in a header (RFC 9110, section 5.6.1). */
export function membersOf(list = ''): string[] {
  return list.split(/[\s,]+/).filter(Boolean);
}
