import type { IncomingMessage } from 'node:http';
import { hostMatcher, hostNameOf } from './host-names.ts';
import { HttpError } from './http-error.ts';
import { ABSOLUTE_FORM } from './target.ts';

/** Each of these faults leaves doubt about where the message ends or for whom it is. */
export const CLOSE = { Connection: 'close' };
const TOO_MANY_HEADERS = new HttpError(431, 'A request may have at most 100 header lines', CLOSE);
const VERSION = new HttpError(505, 'This server speaks HTTP/1.1', CLOSE);
const NO_HOST = new HttpError(400, 'A request needs exactly one Host: a name, or name:port', CLOSE);
const NOT_OUR_HOST = new HttpError(
  421, 'This server does not answer for this Host: add the name to ALLOWED_HOSTS (in code: allowedHosts)', CLOSE,
);
export const FRAMING = new HttpError(400, 'The Transfer-Encoding leaves the length of the body in doubt', CLOSE);
const TRANSFER_CODING = new HttpError(501, 'The only transfer coding supported is chunked', CLOSE);
const EXPECTATION = new HttpError(417, 'The only expectation supported is 100-continue', CLOSE);
const TARGET = new HttpError(400, 'The request target is not a path', CLOSE);

const MAXIMUM_HEADER_LINES = 100;
/** RFC 9110, section 10.1.1: a list, whose members may be empty. */
const CONTINUE = /^[\s,]*(?:100-continue[\s,]*)*$/i;

/**
 * Finds what node lets through, and RFC 9110 and 9112 forbid: the answer to a message that must not be served, or
 * undefined where it may be.
 *
 * @param allowedHosts names without ports; undefined: any
 */
export function strictness(
  allowedHosts: readonly string[] | undefined,
): (request: IncomingMessage) => HttpError | undefined {
  const isAllowed = hostMatcher(allowedHosts);
  /** The Host that was found good last: nearly every request has the same. */
  let goodHost: string | undefined;

  /** RFC 9110, section 7.2; and against DNS rebinding, the names that this server goes by. An address has no DNS. */
  const nameFault = (host: string | undefined): HttpError | undefined => {
    const name = hostNameOf(host);
    if (!name) return NO_HOST;
    return isAllowed(name) ? undefined : NOT_OUR_HOST;
  };

  return (request) => {
    const { headers, httpVersionMajor, httpVersionMinor, method } = request;
    const url = request.url!;
    // Node 20 drops lines past a thousand without a word; the Origin could be among them.
    if (request.rawHeaders.length > 2 * MAXIMUM_HEADER_LINES) return TOO_MANY_HEADERS;
    const isOldVersion = httpVersionMinor === 0;
    // RFC 9110, section 2.5; RFC 9112, section 2.3.
    if (httpVersionMajor !== 1 || httpVersionMinor > 1) return VERSION;
    // RFC 9112, section 3.2. Node joins a second Host to the first, which makes it no host at all.
    const { host } = headers;
    if (host !== goodHost || host === undefined) {
      // RFC 9112, section 3.2.2: a target in absolute-form says whose it is, and the Host is ignored.
      const isPath = url[0] === '/' || url === '*';
      const fault = host === undefined && isOldVersion ? undefined : nameFault(host);
      if (fault && (isPath || fault === NO_HOST)) return fault;
      if (!fault) goodHost = host;
    }
    // RFC 9112, sections 6.1 and 7.
    const coding = headers['transfer-encoding'];
    if (coding !== undefined && (isOldVersion || coding.toLowerCase() !== 'chunked')) {
      return isOldVersion || coding === '' ? FRAMING : TRANSFER_CODING;
    }
    // An HTTP/1.0 client cannot mean it.
    if (headers.expect !== undefined && !isOldVersion && !CONTINUE.test(headers.expect)) return EXPECTATION;
    if (url.includes('#')) return TARGET;
    if (url[0] === '/' || (url === '*' && method === 'OPTIONS')) return undefined;
    const authority = ABSOLUTE_FORM.exec(url)?.[1];
    return authority ? nameFault(authority) : TARGET;
  };
}
