/**
 * A model of CORS in browsers when a page calls `fetch()`, written from the Fetch standard
 * (https://fetch.spec.whatwg.org). It predicts which requests are sent, whether the page may read the response, and if
 * not, why. It imports only its own parts, and uses only what browsers and Node share. Comments and `Blocked.section`
 * name the standard's algorithms and steps. Step numbers change when the standard is edited, but names do not.
 *
 * The model covers mode "cors", redirect mode "follow", http: and https: URLs, and which addresses a page may call. It
 * omits what CORS does not cover, such as cookies themselves, HTTP caching, authentication dialogs, service workers,
 * Content Security Policy, and headers that do not concern CORS (User-Agent, Referer, Accept-Language and
 * Content-Length).
 */

import { TOKEN, type Header, getHeader, parseTokens, trim } from './header-list.ts';
import { type Access, type AccessReason, type Permission, accessTo, isLoopbackName } from './network-access.ts';
import { type CacheKey, PreflightCache, maxAgeOf } from './preflight-cache.ts';
import {
  isForbiddenMethod, isForbiddenRequestHeader, isGetOrHead, isSafelistedMethod, normaliseMethod,
  unsafeRequestHeaderNames, whyPreflight,
} from './safelists.ts';
import { isSameSite } from './site.ts';

/** The arguments that a page passes to `fetch()`. */
export interface PageRequest {
  /**
   * The page's serialised origin, such as `https://app.example.com`, or `null` for a local file or a sandboxed frame.
   */
  origin: string;
  /** An absolute URL. */
  url: string;
  method?: string;
  headers?: readonly Header[];
  /** The credentials mode. The default is `same-origin`, as in `fetch()`. */
  credentials?: 'omit' | 'same-origin' | 'include';
  body?: string;
}

/** One HTTP request, to be sent without following redirects. */
export interface HttpRequest {
  method: string;
  url: string;
  headers: [name: string, value: string][];
  /** Whether the browser would add its cookies for this URL. */
  credentials: boolean;
  body?: string;
}

export interface HttpResponse {
  status: number;
  headers: readonly Header[];
  /** Passed through unchanged. */
  body?: string;
  /** The IP address of the server, if known. */
  address?: string;
}

export type PerformHttp = (request: HttpRequest) => Promise<HttpResponse>;

/** One request and its response. */
export interface Exchange {
  kind: 'preflight' | 'request';
  request: HttpRequest;
  /** Missing if there was no response. */
  response?: HttpResponse;
  /** Why the browser sends the request, or why it needs a preflight. */
  why: string;
}

export interface Verdict {
  allowed: boolean;
  /** The requests that were sent, in order. */
  exchanges: readonly Exchange[];
  /** The response that the page receives if allowed, the same object that `performHttp` returned. */
  response?: HttpResponse;
  /** Names of the response headers that the page can read, sorted and in lower case. */
  readableHeaders?: readonly string[];
  blocked?: Blocked;
  /** The permission prompt, if the browser shows one. `allowed` then depends on the consent of the user. */
  asks?: { permission: Permission; url: string; detail: string };
  /** Blocked by the standard, but still allowed by browsers. */
  tolerated?: Tolerated;
}

export interface Tolerated {
  /** The section of the standard. */
  section: string;
  detail: string;
  /** The header concerned. */
  name: string;
}

export type BlockedReason =
  | 'invalid-url' | 'url-credentials' | 'url-scheme'
  | 'invalid-method' | 'forbidden-method' | 'invalid-header' | 'body-not-allowed'
  | AccessReason | 'network-error'
  | 'origin-missing' | 'origin-multiple' | 'origin-mismatch' | 'wildcard-with-credentials' | 'credentials-not-allowed'
  | 'preflight-redirect' | 'preflight-status' | 'malformed-allow-list' | 'method-not-allowed' | 'header-not-allowed'
  | 'redirect-location' | 'redirect-scheme' | 'redirect-limit' | 'redirect-credentials';

export interface Blocked {
  reason: BlockedReason;
  /** The step that was blocked. On `page`, the browser sent nothing. */
  during: 'page' | 'preflight' | 'request';
  /** The section of the standard. */
  section: string;
  /** One sentence. */
  detail: string;
  /** The method or header concerned. */
  name?: string;
  /** The URL concerned, if its address is blocked. */
  url?: string;
}

export interface FetchOptions {
  /** The preflights that the browser has cached. By default, it has cached none. */
  cache?: PreflightCache;
  /**
   * Stops before the request itself is sent, so that a DELETE deletes nothing. `allowed` then means that the browser
   * would send the request, either after a preflight that passed or without any.
   */
  preflightOnly?: boolean;
  /** Returns the IP address of the page's host. It is called only if the verdict depends on the address. */
  lookUpPage?: () => Promise<string | undefined>;
}

/** Simulates `fetch()` for a page. Rejects only if `page.origin` is not a serialised origin. */
export async function fetchAsPage(
  page: PageRequest, performHttp: PerformHttp, options: FetchOptions = {},
): Promise<Verdict> {
  const { cache = new PreflightCache(), preflightOnly = false, lookUpPage } = options;
  const exchanges: Exchange[] = [];
  let during: Blocked['during'] = 'page';
  let request: FetchRequest | undefined;
  let asks: Verdict['asks'];

  const checkAccess = async (url: URL, address?: string): Promise<void> => {
    if (url.origin === page.origin) return;
    let access = accessTo(url, page.origin, { target: address });
    const dependsOnPage = access.kind === 'asks' || (access.kind === 'blocked' && access.reason === 'local-network');
    if (dependsOnPage && lookUpPage) {
      access = accessTo(url, page.origin, { target: address, page: await lookUpPage() });
    }
    if (access.kind === 'asks') asks ??= { permission: access.permission, url: url.href, detail: access.detail };
    if (access.kind === 'blocked') blockAddress(access, url);
  };

  const send: Send = async (kind, httpRequest, why) => {
    during = kind;
    const exchange: Exchange = { kind, request: httpRequest, why };
    exchanges.push(exchange);
    const response = await performHttp(httpRequest).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      const which = kind === 'preflight' ? 'the preflight, ' : '';
      return block('network-error', 'HTTP-network fetch',
        `No response to ${which}${httpRequest.method} ${httpRequest.url}: ${message}`);
    });
    if (response.address !== undefined) {
      // A browser checks the address before it sends anything.
      exchanges.pop();
      during = exchanges.at(-1)?.kind ?? 'page';
      await checkAccess(new URL(httpRequest.url), response.address);
      exchanges.push(exchange);
      during = kind;
    }
    return (exchange.response = response);
  };

  const outcome = async (): Promise<Verdict> => {
    request = createRequest(page);
    let cause = 'the page asked for it';
    for (;;) {
      await checkAccess(currentUrl(request));
      const permission = await mainFetch(request, send, cache);
      if (preflightOnly) return { allowed: true, exchanges };
      const response = await send('request', toHttpRequest(request), `${cause}; ${permission}`);
      // HTTP fetch, step 4.4: a redirect response must pass the check as well.
      if (request.tainting === 'cors') corsCheck(request, response, `The response (status ${response.status})`);
      const from = httpUrl(currentUrl(request));
      if (!httpRedirectFetch(request, response)) {
        return { allowed: true, exchanges, response, readableHeaders: readableHeaders(request, response) };
      }
      cause = `${from} redirected to it (status ${response.status})`;
    }
  };

  const verdict = await outcome().catch((error: unknown): Verdict => {
    if (!(error instanceof NetworkError)) throw error;
    // Main fetch, step 12: a network error clears the cached preflight.
    if (request?.tainting === 'cors' && whyPreflight(request) !== undefined) cache.clear(cacheKey(request));
    return { allowed: false, exchanges, blocked: { ...error.blocked, during } };
  });
  const tolerated = request?.tolerated;
  return { ...verdict, ...(asks && { asks }), ...(tolerated && { tolerated }) };
}

// ---- The request ----

/** The parts of the standard's "request" that concern CORS. */
interface FetchRequest {
  readonly origin: string;
  readonly credentials: 'omit' | 'same-origin' | 'include';
  method: string;
  headers: readonly Header[];
  body: string | undefined;
  /** URL list, whose last item is the current URL. */
  readonly urls: URL[];
  /** Response tainting, which becomes `cors` at the first cross-origin URL and stays so. */
  tainting: 'basic' | 'cors';
  tolerated?: Tolerated;
}

/** Implements the `Request` constructor, and the first checks of `fetch` and `main fetch`. */
function createRequest(page: PageRequest): FetchRequest {
  const { origin, credentials = 'same-origin', method = 'GET', body } = page;
  // A caller's mistake, such as a trailing slash, must not look like an error of the server.
  const pageUrl = origin === 'null' ? undefined : new URL(origin);
  if (pageUrl !== undefined && isHttp(pageUrl) && pageUrl.origin !== origin) {
    throw new TypeError(`A browser writes the origin ${origin} as ${pageUrl.origin}`);
  }

  const constructor = 'Request constructor, step';
  const url = parseUrl(page.url) ?? block('invalid-url', `${constructor} 5.2`, `${page.url} is not an absolute URL.`);
  if (includesCredentials(url)) {
    block('url-credentials', `${constructor} 5.3`, `fetch() accepts no URL with a user name or password: ${page.url}.`);
  }
  if (!TOKEN.test(method)) {
    block('invalid-method', `${constructor} 25.2`, `"${method}" is not a method: it must be one word.`, method);
  }
  if (isForbiddenMethod(method)) {
    block('forbidden-method', `${constructor} 25.2`, `No page may send the method ${method}.`, method);
  }

  const headers: Header[] = [];
  for (const [name, rawValue] of page.headers ?? []) {
    const value = trim(rawValue);
    if (!TOKEN.test(name) || /[\0\r\n]|[^\0-\xFF]/.test(value)) {
      block('invalid-header', 'Headers, validate, step 1', `"${name}: ${value}" cannot be sent as a header.`, name);
    }
    if (!isForbiddenRequestHeader([name, value])) headers.push([name, value]);
  }
  const normalised = normaliseMethod(method);
  if (body !== undefined && isGetOrHead(normalised)) {
    block('body-not-allowed', `${constructor} 35`, `A page's ${normalised} request cannot have a body.`, normalised);
  }
  // Step 37.4: the Content-Type of a string body.
  if (body !== undefined && getHeader(headers, 'content-type') === undefined) {
    headers.push(['Content-Type', 'text/plain;charset=UTF-8']);
  }
  // Fetch, step 12.
  if (getHeader(headers, 'accept') === undefined) headers.push(['Accept', '*/*']);
  if (!isHttp(url)) {
    block('url-scheme', 'main fetch, step 12', `CORS is for http: and https: only, not for ${url.protocol}`);
  }
  return { origin, credentials, method: normalised, headers, body, urls: [url], tainting: 'basic' };
}

function currentUrl({ urls }: FetchRequest): URL {
  return urls.at(-1) as URL;
}

/** Returns the URL as sent and cached, without a fragment and without user information, which waits for a 401. */
function httpUrl({ origin, pathname, search }: URL): string {
  return origin + pathname + search;
}

/**
 * Implements "serializing a request origin". The result is `null` after a redirect from one other origin to a second.
 */
function serialiseOrigin({ origin, urls }: FetchRequest): string {
  const tainted = urls.some((url, index) => {
    const last = urls[index - 1];
    return last !== undefined && url.origin !== last.origin && origin !== last.origin;
  });
  return tainted ? 'null' : origin;
}

/** Adds the headers that only the browser can set (HTTP-network-or-cache fetch, steps 8.3 to 8.13). */
function toHttpRequest(request: FetchRequest): HttpRequest {
  const { method, credentials, tainting, body } = request;
  const headers = request.headers.map(([name, value]): [string, string] => [name, value]);
  if (tainting === 'cors' || !isGetOrHead(method)) headers.push(['Origin', serialiseOrigin(request)]);
  if (isPotentiallyTrustworthy(currentUrl(request))) {
    headers.push(['Sec-Fetch-Dest', 'empty'], ['Sec-Fetch-Mode', 'cors'], ['Sec-Fetch-Site', fetchSite(request)]);
  }
  return {
    method,
    url: httpUrl(currentUrl(request)),
    headers,
    credentials: credentials === 'include' || (credentials === 'same-origin' && tainting === 'basic'),
    ...(body === undefined ? {} : { body }),
  };
}

/** Returns whether browsers send Sec-Fetch-* to this URL (Fetch Metadata), only to https: and to this machine. */
function isPotentiallyTrustworthy({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || isLoopbackName(hostname);
}

/** Implements "set Sec-Fetch-Site" of Fetch Metadata, in which every URL of a redirect chain counts. */
function fetchSite({ origin, urls }: FetchRequest): string {
  const others = urls.filter((url) => url.origin !== origin);
  if (others.length === 0) return 'same-origin';
  return others.every((url) => origin !== 'null' && isSameSite(new URL(origin), url)) ? 'same-site' : 'cross-site';
}

// ---- Fetching ----

const REDIRECT_STATUSES = [301, 302, 303, 307, 308];

type Send = (kind: Exchange['kind'], request: HttpRequest, why: string) => Promise<HttpResponse>;

/** Implements main fetch, step 12, and HTTP fetch, step 4.1. Returns why the request may be sent. */
async function mainFetch(request: FetchRequest, send: Send, cache: PreflightCache): Promise<string> {
  if (currentUrl(request).origin === request.origin && request.tainting === 'basic') {
    return 'it has the same origin, so CORS does not apply';
  }
  request.tainting = 'cors';
  if (whyPreflight(request) === undefined) return 'such a request needs no preflight';

  const key = cacheKey(request);
  const isCached =
    (isSafelistedMethod(request.method) || cache.has(key, 'method', request.method)) &&
    unsafeRequestHeaderNames(request.headers).every((name) => cache.has(key, 'header', name));
  if (isCached) return 'an earlier preflight, still cached, allows it';
  await corsPreflightFetch(request, send, cache);
  return 'the preflight allows it';
}

/** Implements CORS-preflight fetch. */
async function corsPreflightFetch(request: FetchRequest, send: Send, cache: PreflightCache): Promise<void> {
  const { method } = request;
  const unsafeNames = unsafeRequestHeaderNames(request.headers);

  // Steps 1 to 5. A preflight contains neither cookies nor the page's own headers.
  const headers: Header[] = [['Accept', '*/*'], ['Access-Control-Request-Method', method]];
  if (unsafeNames.length > 0) headers.push(['Access-Control-Request-Headers', unsafeNames.join(',')]);
  const preflight = { ...request, method: 'OPTIONS', headers, body: undefined, credentials: 'same-origin' } as const;

  // Steps 6 and 7. The CORS check uses the request, not the preflight, because of its credentials mode.
  const response = await send('preflight', toHttpRequest(preflight), whyPreflight(request) ?? '');
  const { status } = response;
  const subject = `The preflight response (status ${status})`;
  const step = 'CORS-preflight fetch, step';
  const redirect = REDIRECT_STATUSES.includes(status);
  if (redirect) block('preflight-redirect', `${step} 7`, `${subject} must not be a redirect.`);
  corsCheck(request, response, subject);
  if (status < 200 || status > 299) block('preflight-status', `${step} 7`, `${subject} needs a 2xx status.`);

  // Steps 7.1 to 7.3.
  const allowList = (name: string) => {
    const value = getHeader(response.headers, name);
    return parseTokens(value) ??
      block('malformed-allow-list', `${step} 7.3`, `${subject} has an invalid list, "${name}: ${value}".`, name);
  };
  const methods = allowList('Access-Control-Allow-Methods');
  const headerNames = allowList('Access-Control-Allow-Headers').map((name) => name.toLowerCase());
  const wildcard = request.credentials !== 'include';
  const instead = (list: string[]) =>
    `only ${list.join(', ') || 'none'}${!wildcard && list.includes('*') ? ' (with cookies, * is not a wildcard)' : ''}`;

  // Step 7.5.
  if (!methods.includes(method) && !isSafelistedMethod(method) && !(wildcard && methods.includes('*'))) {
    block('method-not-allowed', `${step} 7.5`,
      `${subject} does not allow the method ${method} (case-sensitive), ${instead(methods)}.`, method);
  }
  // Step 7.6. Browsers do not follow the standard here yet (whatwg/fetch#1919).
  if (unsafeNames.includes('authorization') && !headerNames.includes('authorization')) {
    if (!wildcard || !headerNames.includes('*')) {
      block('header-not-allowed', `${step} 7.6`,
        `${subject} does not allow the header authorization, ${instead(headerNames)}.`, 'authorization');
    }
    request.tolerated = {
      section: `Fetch, ${step} 7.6`,
      detail:
        `${subject} allows the header authorization only by "Access-Control-Allow-Headers: *", which does not cover ` +
        'it according to the standard. Chrome and Firefox still accept it.',
      name: 'authorization',
    };
  }
  // Step 7.7.
  const denied = unsafeNames.find((name) => !headerNames.includes(name) && !(wildcard && headerNames.includes('*')));
  if (denied !== undefined) {
    block('header-not-allowed', `${step} 7.7`,
      `${subject} does not allow the header ${denied}, ${instead(headerNames)}.`, denied);
  }

  // Steps 7.8 to 7.14.
  const maxAge = maxAgeOf(getHeader(response.headers, 'Access-Control-Max-Age'));
  cache.store(cacheKey(request), 'method', methods, maxAge);
  cache.store(cacheKey(request), 'header', headerNames, maxAge);
}

/** Implements the CORS check. */
function corsCheck(request: FetchRequest, { headers }: HttpResponse, subject: string): void {
  const origin = serialiseOrigin(request);
  const name = 'Access-Control-Allow-Origin';
  const allowed = getHeader(headers, name); // Step 1: several values are joined, and so never match.
  if (allowed === undefined) {
    block('origin-missing', 'CORS check, step 2', `${subject} has no ${name} for ${origin}.`, name);
  }
  const withCredentials = request.credentials === 'include';
  if (allowed === '*' && !withCredentials) return;
  if (allowed !== origin) {
    const [reason, detail]: [BlockedReason, string] =
      allowed === '*'
        ? ['wildcard-with-credentials', 'allows any origin (*), which browsers ignore for requests with credentials']
      : allowed.includes(',')
        ? ['origin-multiple', `allows a list of origins (${allowed}), but browsers accept only one`]
      : ['origin-mismatch', `allows the origin "${allowed}"`];
    block(reason, 'CORS check, step 4', `${subject} ${detail}: ${name} must be exactly ${origin}.`, name);
  }
  if (!withCredentials) return;
  const flag = 'Access-Control-Allow-Credentials';
  const value = getHeader(headers, flag);
  if (value !== 'true') {
    block('credentials-not-allowed', 'CORS check, step 8',
      `${subject} does not allow requests with credentials: ${flag} is ${value ?? 'missing'}, and must be true.`, flag);
  }
}

/** Implements HTTP-redirect fetch. Returns false if the response is not a redirect to follow. */
function httpRedirectFetch(request: FetchRequest, { status, headers }: HttpResponse): boolean {
  const values = headers.filter(([name]) => name.toLowerCase() === 'location').map(([, value]) => value);
  const locations = [...new Set(values)];
  if (!REDIRECT_STATUSES.includes(status) || locations.length === 0) return false;

  const step = 'HTTP-redirect fetch, step';
  const url = currentUrl(request);
  const { method, origin, tainting } = request;
  const location = (locations.length === 1 ? parseUrl(asciiOnly(locations[0] as string), url) : undefined) ??
    block('redirect-location', `${step} 5`, `The redirect leads to "${locations.join(', ')}", which is not a URL.`);
  if (!isHttp(location)) block('redirect-scheme', `${step} 6`, `The redirect leads to ${location}, not to http(s).`);
  if (request.urls.length > 20) block('redirect-limit', `${step} 7`, 'A browser follows no more than 20 redirects.');
  if (includesCredentials(location) && (location.origin !== origin || tainting === 'cors')) {
    block('redirect-credentials', `${step} ${location.origin !== origin ? 9 : 10}`,
      `The redirect leads to ${location}, a URL with a user name or password.`);
  }
  // Step 12.
  if (([301, 302].includes(status) && method === 'POST') || (status === 303 && !isGetOrHead(method))) {
    request.method = 'GET';
    request.body = undefined;
    const bodyHeader = /^content-(?:encoding|language|location|type)$/i;
    request.headers = request.headers.filter(([name]) => !bodyHeader.test(name));
  }
  // Step 13.
  if (url.origin !== location.origin) {
    request.headers = request.headers.filter(([name]) => name.toLowerCase() !== 'authorization');
  }
  request.urls.push(location);
  return true;
}

const SAFELISTED_RESPONSE_HEADERS = [
  'cache-control', 'content-language', 'content-length', 'content-type', 'expires', 'last-modified', 'pragma',
];

/** Implements the "basic filtered response" and "CORS filtered response" of main fetch, step 14. */
function readableHeaders(request: FetchRequest, response: HttpResponse): string[] {
  const names = [...new Set(response.headers.map(([name]) => name.toLowerCase()))].sort();
  const list = parseTokens(getHeader(response.headers, 'Access-Control-Expose-Headers')) ?? [];
  const exposed = list.map((name) => name.toLowerCase());
  const all = request.tainting === 'basic' || (exposed.includes('*') && request.credentials !== 'include');
  return names.filter((name) =>
    name !== 'set-cookie' && name !== 'set-cookie2' &&
    (all || exposed.includes(name) || SAFELISTED_RESPONSE_HEADERS.includes(name)));
}

function cacheKey(request: FetchRequest): CacheKey {
  const credentials = request.credentials === 'include';
  return { origin: serialiseOrigin(request), url: httpUrl(currentUrl(request)), credentials };
}

// ---- Small parts ----

/** The standard's "network error", and the TypeError of a `fetch()` that cannot even start. */
class NetworkError extends Error {
  readonly blocked: Omit<Blocked, 'during'>;

  constructor(blocked: Omit<Blocked, 'during'>) {
    super(blocked.detail);
    this.blocked = blocked;
  }
}

function blockAddress({ reason, section, detail }: Extract<Access, { kind: 'blocked' }>, url: URL): never {
  throw new NetworkError({ reason, section, detail, url: url.href });
}

function block(reason: BlockedReason, step: string, detail: string, name?: string): never {
  throw new NetworkError({ reason, section: `Fetch, ${step}`, detail, ...(name === undefined ? {} : { name }) });
}

function isHttp({ protocol }: URL): boolean {
  return protocol === 'http:' || protocol === 'https:';
}

function includesCredentials({ username, password }: URL): boolean {
  return username !== '' || password !== '';
}

/** Percent-encodes the bytes above 7F of a Location before it is parsed, as Chromium and Firefox do. */
function asciiOnly(value: string): string {
  return value.replace(/[\x80-\xFF]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`);
}

function parseUrl(url: string, base?: URL): URL | undefined {
  try {
    return new URL(url, base);
  } catch {
    return undefined;
  }
}
