import type { IncomingMessage } from 'node:http';
import { hostMatcher, hostNameOf } from '../host-names.ts';
import { HttpError } from '../http-error.ts';
import { ABSOLUTE_FORM } from '../request-target.ts';

/** The header of an error response that closes the connection. */
export const CLOSE = { Connection: 'close' };
const TOO_MANY_HEADERS = new HttpError(431, 'A request must not have more than 100 header lines', CLOSE);
const UNSUPPORTED_VERSION = new HttpError(505, 'This server supports HTTP/1.1', CLOSE);
const INVALID_HOST = new HttpError(400, 'A request must have one Host header: a name, or name:port', CLOSE);
const HOST_NOT_ALLOWED = new HttpError(
  421, 'This server does not serve this Host: add the name to ALLOWED_HOSTS (in code: allowedHosts)', CLOSE,
  { code: 'HOST_NOT_ALLOWED' },
);
export const UNCLEAR_LENGTH = new HttpError(400, 'The Transfer-Encoding leaves the length of the body unclear', CLOSE);
const UNSUPPORTED_CODING = new HttpError(501, 'The only supported transfer coding is chunked', CLOSE);
const UNSUPPORTED_EXPECTATION = new HttpError(417, 'The only supported expectation is 100-continue', CLOSE);
const INVALID_TARGET = new HttpError(400, 'The request target must be a path or an http URL, without #', CLOSE);

const MAX_HEADER_LINES = 100;
/** RFC 9110, section 10.1.1: a list, which may have empty members. */
const CONTINUE = /^[\s,]*(?:100-continue[\s,]*)*$/i;

/**
 * Returns a function that validates a request, and returns an error if it must be rejected. It checks the rules of
 * RFC 9110 and 9112 that Node does not enforce.
 *
 * @param allowedHosts as in ServerOptions
 */
export function requestValidation(
  allowedHosts: readonly string[] | undefined,
): (request: IncomingMessage) => HttpError | undefined {
  const isAllowed = hostMatcher(allowedHosts);
  // The last valid Host. Nearly every request repeats it, and comparing is faster than validating.
  let validHost: string | undefined;

  /** Returns the error of a Host that is invalid (RFC 9110, section 7.2), or not allowed, as in DNS rebinding. */
  const hostError = (host = ''): HttpError | undefined => {
    if (host === validHost) return undefined;
    const name = hostNameOf(host);
    if (name === undefined) return INVALID_HOST;
    if (!isAllowed(name)) return HOST_NOT_ALLOWED;
    validHost = host;
    return undefined;
  };

  return ({ headers, httpVersionMajor, httpVersionMinor, method, rawHeaders, url = '' }) => {
    // Node 20 drops header lines after the thousandth, and the Origin could be among them.
    if (rawHeaders.length > 2 * MAX_HEADER_LINES) return TOO_MANY_HEADERS;
    // RFC 9110, section 2.5; RFC 9112, section 2.3.
    if (httpVersionMajor !== 1) return UNSUPPORTED_VERSION;
    const isHttp10 = httpVersionMinor === 0;
    // RFC 9112, section 3.2. Node joins a second Host to the first, which makes the value invalid.
    const error = headers.host === undefined && isHttp10 ? undefined : hostError(headers.host);
    // RFC 9112, section 3.2.2. A target in absolute-form overrides the Host, which must still be valid (section 3.2).
    const isAbsoluteForm = url[0] !== '/' && url !== '*';
    if (error === INVALID_HOST || (error && !isAbsoluteForm)) return error;
    // RFC 9112, sections 6.1 and 7.
    const coding = headers['transfer-encoding'];
    if (coding === '' || (coding && isHttp10)) return UNCLEAR_LENGTH;
    if (coding && coding.toLowerCase() !== 'chunked') return UNSUPPORTED_CODING;
    // RFC 9110, section 10.1.1: an expectation of an HTTP/1.0 client is ignored.
    if (headers.expect && !isHttp10 && !CONTINUE.test(headers.expect)) return UNSUPPORTED_EXPECTATION;
    if (url.includes('#') || (url === '*' && method !== 'OPTIONS')) return INVALID_TARGET;
    if (!isAbsoluteForm) return undefined;
    const authority = ABSOLUTE_FORM.exec(url)?.[1];
    return authority ? hostError(authority) : INVALID_TARGET;
  };
}
