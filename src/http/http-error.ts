import { http } from './node-builtins.ts';

/**
 * An answer other than success: throw it from a handler, and the client gets its status as
 * application/problem+json (RFC 9457) with the CORS headers. Any other error that a handler throws is a
 * bug: the log gets it whole, the client a bare 500.
 */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly #members: Readonly<Record<string, unknown>>;

  /**
   * @param status 400 to 599 (RFC 9110, section 15); another one throws a RangeError
   * @param detail what went wrong this time, for the person who reads the answer
   * @param headers response headers that belong to it, such as `{ 'Retry-After': '30' }`
   * @param members more members of the problem object (RFC 9457, section 3.2)
   */
  constructor(
    status: number,
    detail = http.STATUS_CODES[status] ?? 'Error',
    headers: Readonly<Record<string, string>> = {},
    members: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`An HttpError has a status from 400 to 599, not ${status}`);
    }
    this.status = status;
    this.headers = headers;
    this.#members = members;
  }

  /** The problem object (RFC 9457, section 3.1); without a `type` it is about:blank, so the title is the status. */
  toJSON(): object {
    return { title: http.STATUS_CODES[this.status], status: this.status, detail: this.message, ...this.#members };
  }
}
