import { http, inspect } from './node/builtins.ts';

/**
 * An error response. Throw it from a handler, and the client gets its status as application/problem+json (RFC 9457)
 * with the CORS headers. Any other error that a handler throws is a bug. It is logged in full, and the client gets a
 * 500 without details.
 */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly #members: Readonly<Record<string, unknown>>;

  /**
   * Creates an error response.
   *
   * @param status 400 to 599 (RFC 9110, section 15)
   * @param detail what went wrong, for the person who reads the response; default: the name of the status
   * @param headers response headers, such as `{ 'Retry-After': '30' }`
   * @param members more members of the problem object (RFC 9457, section 3.2)
   * @throws RangeError for any other status
   */
  constructor(
    status: number,
    detail = http.STATUS_CODES[status] ?? 'Error',
    headers: Readonly<Record<string, string>> = {},
    members: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`The status of an HttpError must be from 400 to 599, not ${inspect(status)}`);
    }
    this.status = status;
    // Code without types may pass null.
    this.headers = headers ?? {};
    this.#members = members;
  }

  /** Returns the problem object (RFC 9457, section 3.1). Without a `type`, its title is the name of the status. */
  toJSON(): object {
    return { title: http.STATUS_CODES[this.status], status: this.status, detail: this.message, ...this.#members };
  }
}
