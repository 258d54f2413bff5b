import type { IncomingMessage } from 'node:http';
import { hostMatcher, hostNameOf } from '../host-names.ts';
import { HttpError } from '../http-error.ts';
import { ABSOLUTE_FORM } from '../request-target.ts';

/** For a request of which it is unclear where it ends, or for which server it is meant. */
export const CLOSE = { Connection: 'close' };
const TOO_MANY_HEADERS = new HttpError(431, 'A request must not have more than 100 header lines', CLOSE);
const VERSION = new HttpError(505, 'This server supports HTTP/1.1', CLOSE);
const INVALID_HOST = new HttpError(400, 'A request must have one Host header: a name, or name:port', CLOSE);
const HOST_NOT_ALLOWED = new HttpError(
  421, 'This server does not serve this Host: add the name to ALLOWED_HOSTS (in code: allowedHosts)', CLOSE,
  { code: 'HOST_NOT_ALLOWED' },
);
export const FRAMING = new HttpError(400, 'The Transfer-Encoding leaves the length of the body unclear', CLOSE);
const TRANSFER_CODING = new HttpError(501, 'The only supported transfer coding is chunked', CLOSE);
const EXPECTATION = new HttpError(417, 'The only supported expectation is 100-continue', CLOSE);
const TARGET = new HttpError(400, 'The request target is not a path', CLOSE);

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
  /** The last Host that was valid: nearly every request has the same. */
  let validHost: string | undefined;

  /** RFC 9110, section 7.2; other names are a sign of DNS rebinding, which an IP address cannot be used for. */
  const hostError = (host: string | undefined): HttpError | undefined => {
    const name = hostNameOf(host);
    if (!name) return INVALID_HOST;
    return isAllowed(name) ? undefined : HOST_NOT_ALLOWED;
  };

  return (request) => {
    const { headers, httpVersionMajor, httpVersionMinor, method } = request;
    const url = request.url!;
    // Node 20 drops header lines after the thousandth, and the Origin could be among them.
    if (request.rawHeaders.length > 2 * MAX_HEADER_LINES) return TOO_MANY_HEADERS;
    const isHttp10 = httpVersionMinor === 0;
    // RFC 9110, section 2.5; RFC 9112, section 2.3.
    if (httpVersionMajor !== 1 || httpVersionMinor > 1) return VERSION;
    // RFC 9112, section 3.2. Node joins a second Host to the first, which makes the value invalid.
    const { host } = headers;
    if (host !== validHost || host === undefined) {
      // RFC 9112, section 3.2.2: a target in absolute-form overrides the Host.
      const isAbsoluteForm = url[0] !== '/' && url !== '*';
      const error = host === undefined && isHttp10 ? undefined : hostError(host);
      if (error && (!isAbsoluteForm || error === INVALID_HOST)) return error;
      if (!error) validHost = host;
    }
    // RFC 9112, sections 6.1 and 7.
    const coding = headers['transfer-encoding'];
    if (coding !== undefined && (isHttp10 || coding.toLowerCase() !== 'chunked')) {
      return isHttp10 || coding === '' ? FRAMING : TRANSFER_CODING;
    }
    // RFC 9110, section 10.1.1: an expectation of an HTTP/1.0 client is ignored.
    if (headers.expect !== undefined && !isHttp10 && !CONTINUE.test(headers.expect)) return EXPECTATION;
    if (url.includes('#')) return TARGET;
    if (url[0] === '/' || (url === '*' && method === 'OPTIONS')) return undefined;
    const authority = ABSOLUTE_FORM.exec(url)?.[1];
    return authority ? hostError(authority) : TARGET;
  };
}
