import { http } from './node-http.ts';

/** Status and headers of one answer, gathered until they leave together. */
export class AnswerHead {
  /** 0 until one is chosen. */
  status = 0;
  /** The connection ends with this answer. */
  closes = false;
  /** Names and values in turn: what node's writeHead takes fastest. */
  readonly fields: string[] = [];
  #contentType = '';
  #contentLength = '';
  #cacheControl = 'no-store';
  #vary = '';

  /**
   * Adds a header; of those that an answer has only once, the last one counts.
   *
   * @throws TypeError for a name or value that no header can have (RFC 9110, section 5)
   */
  add(name: string, value: string): void {
    http.validateHeaderName(name);
    http.validateHeaderValue(name, value);
    switch (name.toLowerCase()) {
      case 'content-type': this.#contentType = value; break;
      case 'content-length': this.#contentLength = value; break;
      case 'cache-control': this.#cacheControl = value; break;
      case 'vary': this.#vary = mergeVary(this.#vary, value); break;
      case 'connection': this.closes ||= /\bclose\b/i.test(value); break;
      case 'x-content-type-options': break; // There is only one value, and it is always sent.
      case 'transfer-encoding': throw new Error('Transfer-Encoding is chosen by the server: leave it out');
      default: this.fields.push(name, value);
    }
  }

  /** Takes out the headers whose names, in lower case, begin with `prefix`. */
  remove(prefix: string): void {
    for (let at = this.fields.length - 2; at >= 0; at -= 2) {
      if (this.fields[at]!.toLowerCase().startsWith(prefix)) this.fields.splice(at, 2);
    }
  }

  /**
   * Fills in what every answer has.
   *
   * @param body the whole body, where it is known
   * @param contentType of the body, unless a header said so
   * @param vary what the policy adds
   */
  complete(body: string | undefined, contentType: string, vary: string | undefined): void {
    const { fields } = this;
    this.status ||= body === '' ? 204 : 200;
    if (this.#contentType || contentType) fields.push('Content-Type', this.#contentType || contentType);
    if (body === undefined) {
      if (this.#contentLength) fields.push('Content-Length', this.#contentLength);
    } else if (this.status !== 204 && this.status !== 304) {
      fields.push('Content-Length', String(Buffer.byteLength(body)));
    }
    fields.push('X-Content-Type-Options', 'nosniff', 'Cache-Control', this.#cacheControl);
    const varies = mergeVary(this.#vary, vary);
    if (varies) fields.push('Vary', varies);
    if (this.closes) fields.push('Connection', 'close');
  }
}

/** RFC 9110, section 12.5.5: one list, each name once, and `*` stays as it is. */
function mergeVary(names: string, more = ''): string {
  if (!names || !more) return names || more;
  const known = names.toLowerCase().split(/\s*,\s*/);
  return known.includes('*') || known.includes(more.toLowerCase()) ? names : `${names}, ${more}`;
}
