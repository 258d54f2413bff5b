import { http } from './node-builtins.ts';

/** Of these an answer has one: the last that is added counts. */
const SINGLE = new RegExp(
  '^(?:access-control-.*|content-(?:disposition|location|range)|date|etag|expires|last-modified|location|retry-after)$',
);

/** Status and headers of one answer, gathered until they leave together; also of an answer to no request. */
export class AnswerHead {
  /** 0 until one is chosen. */
  status = 0;
  /** It is on its way: nothing can be changed any more. */
  isComplete = false;
  /** The connection ends with this answer. */
  closes = false;
  /** Names and values in turn: what node's writeHead takes fastest. */
  readonly fields: string[] = [];
  contentType = '';
  /** As a handler announced it, for a body that it writes itself; in bytes. */
  contentLength: number | undefined;
  #cacheControl = 'no-store';
  #vary = '';

  /** @throws RangeError for a status that is not from 200 to 599; Error where it comes too late */
  choose(status: number): void {
    if (!Number.isInteger(status) || status < 200 || status > 599) {
      throw new RangeError(`An answer has a status from 200 to 599, not ${status}`);
    }
    if (this.isComplete) throw new Error('The status comes too late: the headers have left');
    this.status = status;
  }

  /**
   * Adds a header; of those that an answer has only once, the last one counts.
   *
   * @throws TypeError for a name or value that no header can have (RFC 9110, section 5); Error for one that the server
   *   decides about, or that comes too late
   */
  add(name: string, value: string): void {
    if (this.isComplete) throw new Error(`${name} comes too late: the headers have left`);
    http.validateHeaderName(name);
    http.validateHeaderValue(name, value);
    const lower = name.toLowerCase();
    switch (lower) {
      case 'content-type': this.contentType = value; break;
      case 'cache-control': this.#cacheControl = value; break;
      case 'vary': this.#vary = mergeVary(this.#vary, value); break;
      case 'connection': this.closes ||= /\bclose\b/i.test(value); break;
      case 'x-content-type-options': break; // There is only one value, and it is always sent.
      case 'content-length':
        if (!/^\d{1,15}$/.test(value)) throw new Error(`Content-Length is a whole number of bytes, not ${value}`);
        this.contentLength = Number(value);
        break;
      case 'transfer-encoding': case 'trailer': throw new Error(`${name} is chosen by the server: leave it out`);
      default:
        if (SINGLE.test(lower)) this.remove((known) => known === lower);
        this.fields.push(name, value);
    }
  }

  /** Takes out headers, by their names in lower case. */
  remove(isMeant: (name: string) => boolean): void {
    for (let at = this.fields.length - 2; at >= 0; at -= 2) {
      if (isMeant(this.fields[at]!.toLowerCase())) this.fields.splice(at, 2);
    }
  }

  /**
   * Fills in what every answer has.
   *
   * @param body the whole body, where it is known
   * @param vary what the policy adds
   */
  complete(body: string | undefined, vary: string | undefined): void {
    const { fields } = this;
    this.isComplete = true;
    this.status ||= body === '' ? 204 : 200;
    if (this.contentType) fields.push('Content-Type', this.contentType);
    if (body !== undefined) this.contentLength = this.status === 304 ? undefined : Buffer.byteLength(body);
    // RFC 9110, section 8.6: a 204 has none.
    const hasLength = this.contentLength !== undefined && this.status !== 204;
    if (hasLength) fields.push('Content-Length', String(this.contentLength));
    fields.push('X-Content-Type-Options', 'nosniff', 'Cache-Control', this.#cacheControl);
    const varies = mergeVary(this.#vary, vary);
    if (varies) fields.push('Vary', varies);
    if (this.closes) fields.push('Connection', 'close');
  }
}

/** RFC 9110, section 12.5.5: one list; no name comes again, and `*` stays as it is. */
function mergeVary(names: string, more = ''): string {
  if (!names || !more) return names || more;
  const known = names.toLowerCase().split(/\s*,\s*/);
  const added = more.split(/\s*,\s*/).filter((name) => !known.includes(name.toLowerCase()));
  return known.includes('*') || added.length === 0 ? names : [names, ...added].join(', ');
}
