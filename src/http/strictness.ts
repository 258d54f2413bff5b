import type { IncomingMessage } from 'node:http';
import { HttpError } from './http-error.ts';

/** Each of these faults leaves doubt about where the message ends or for whom it is. */
const CLOSE = { Connection: 'close' };
const TOO_MANY_HEADERS = new HttpError(431, 'A request may have at most 100 header lines', CLOSE);
const VERSION = new HttpError(505, 'This server speaks HTTP/1.1', CLOSE);
const NO_HOST = new HttpError(400, 'A request needs one Host, name or name:port', CLOSE);
const NOT_OUR_HOST = new HttpError(421, 'This server does not answer for this Host: add the name to ALLOWED_HOSTS (in code: allowedHosts)', CLOSE);
const FRAMING = new HttpError(400, 'The Transfer-Encoding leaves the length of the body in doubt', CLOSE);
const TRANSFER_CODING = new HttpError(501, 'The only transfer coding here is chunked', CLOSE);
const EXPECTATION = new HttpError(417, 'The only expectation that can be met here is 100-continue', CLOSE);
const TARGET = new HttpError(400, 'The request target is no path', CLOSE);

const MAXIMUM_HEADER_LINES = 100;
const HOST = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{0,5})?$/i;

/** Whether this can be the name in a Host header, without the port. */
export function isHostName(name: string): boolean {
  return HOST.exec(name)?.[1] === name;
}

/** What node lets through, and RFC 9110 and 9112 forbid. */
export class Strictness {
  readonly #allowedHosts: ReadonlySet<string> | undefined;
  /** The Host header that was found good last: nearly every request has the same. */
  #goodHost = '';

  /** @param allowedHosts names without ports; undefined: any */
  constructor(allowedHosts: readonly string[] | undefined) {
    this.#allowedHosts = allowedHosts && new Set(allowedHosts.map((host) => host.toLowerCase()));
  }

  /** The answer to a message that must not be served; undefined where it may be. */
  fault(request: IncomingMessage): HttpError | undefined {
    const { headers, url } = request;
    // Node 20 drops lines past a thousand without a word; the Origin could be among them.
    if (request.rawHeaders.length > 2 * MAXIMUM_HEADER_LINES) return TOO_MANY_HEADERS;
    const isOldVersion = request.httpVersionMinor === 0;
    // RFC 9110, section 2.5; RFC 9112, section 2.3.
    if (request.httpVersionMajor !== 1 || request.httpVersionMinor > 1) return VERSION;
    // RFC 9112, section 3.2. Node joins a second Host to the first, which makes it no host at all.
    if (headers.host !== this.#goodHost || !headers.host) {
      const fault = this.#hostFault(headers.host, isOldVersion);
      if (fault) return fault;
    }
    // RFC 9112, sections 6.1 and 7.
    const coding = headers['transfer-encoding'];
    if (coding !== undefined && (isOldVersion || coding.toLowerCase() !== 'chunked')) {
      return isOldVersion || coding === '' ? FRAMING : TRANSFER_CODING;
    }
    // RFC 9110, section 10.1.1: an HTTP/1.0 client cannot mean it.
    if (headers.expect !== undefined && !isOldVersion && headers.expect.toLowerCase() !== '100-continue') return EXPECTATION;
    if (url![0] !== '/') return targetFault(request);
    return undefined;
  }

  /** RFC 9110, section 7.2; and against DNS rebinding, the names that this server goes by. */
  #hostFault(host: string | undefined, mayBeMissing: boolean): HttpError | undefined {
    if (host === undefined && mayBeMissing) return undefined;
    const name = HOST.exec(host ?? '')?.[1];
    if (!name) return NO_HOST;
    if (this.#allowedHosts && !this.#allowedHosts.has(name.toLowerCase())) return NOT_OUR_HOST;
    this.#goodHost = host!;
    return undefined;
  }
}

const ABSOLUTE_FORM = /^https?:\/\/([^/?#]+)(.*)$/i;

/** RFC 9112, section 3.2: absolute-form where it names this server, and `*` for OPTIONS alone. */
function targetFault({ url, method, headers }: IncomingMessage): HttpError | undefined {
  if (url === '*' && method === 'OPTIONS') return undefined;
  const authority = ABSOLUTE_FORM.exec(url!)?.[1];
  if (!authority) return TARGET;
  return authority.toLowerCase() === headers.host?.toLowerCase() ? undefined : NOT_OUR_HOST;
}

/** Path and query of a request target that has no fault. */
export function originForm(url: string): string {
  if (url[0] === '/' || url === '*') return url;
  const rest = ABSOLUTE_FORM.exec(url)?.[2] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}
