/**
 * A model of what a browser does about CORS when a page calls `fetch()`, written from the Fetch standard
 * (https://fetch.spec.whatwg.org): what goes over the wire, whether the page may have the answer, and if not, why.
 * It imports nothing and uses only what browsers and Node share. Comments and `Blocked.section` name the standard's
 * algorithms and steps; numbers drift as the standard is edited, names do not.
 *
 * Modelled: mode "cors", redirect mode "follow", http: and https: URLs. Left out, as not CORS: cookies themselves,
 * HTTP caching, authentication dialogs, service workers, Content Security Policy, mixed content, blocked ports; and
 * headers that say nothing about CORS (User-Agent, Referer, Accept-Language, Content-Length and the like).
 */

type Header = readonly [name: string, value: string];

/** What a page's script passes to `fetch()`. */
export interface PageRequest {
  /** The page's origin as browsers serialise it, e.g. `https://app.example.com`; `null` for a file or a sandbox. */
  origin: string;
  /** Absolute. */
  url: string;
  method?: string;
  headers?: readonly Header[];
  /** Whether cookies go along; left out, as in `fetch()`: `same-origin`. */
  credentials?: 'omit' | 'same-origin' | 'include';
  body?: string;
}

/** One HTTP request to perform, without following redirects. */
export interface HttpRequest {
  method: string;
  url: string;
  headers: [name: string, value: string][];
  /** Whether the browser would add the cookies that it has for this URL. */
  credentials: boolean;
  body?: string;
}

export interface HttpResponse {
  status: number;
  headers: readonly Header[];
  /** Carried through, never looked at. */
  body?: string;
}

export type PerformHttp = (request: HttpRequest) => Promise<HttpResponse>;

/** One step of the dialogue between browser and server. */
export interface Exchange {
  kind: 'preflight' | 'request';
  request: HttpRequest;
  /** Missing if none came. */
  response?: HttpResponse;
  /** Why the browser sent it; for a preflight, what made it necessary. */
  why: string;
}

export interface Verdict {
  allowed: boolean;
  /** What went over the wire, in order. */
  exchanges: readonly Exchange[];
  /** What the page gets, if it is allowed to; the very object that `performHttp` gave. */
  response?: HttpResponse;
  /** Names of the response's headers that the page's script can read: lower case, sorted. */
  readableHeaders?: readonly string[];
  blocked?: Blocked;
}

export type BlockedReason =
  | 'invalid-url' | 'url-credentials' | 'url-scheme'
  | 'invalid-method' | 'forbidden-method' | 'invalid-header' | 'body-not-allowed'
  | 'network-error'
  | 'origin-missing' | 'origin-multiple' | 'origin-mismatch' | 'wildcard-with-credentials' | 'credentials-not-allowed'
  | 'preflight-redirect' | 'preflight-status' | 'malformed-allow-list' | 'method-not-allowed' | 'header-not-allowed'
  | 'redirect-location' | 'redirect-scheme' | 'redirect-limit' | 'redirect-credentials';

export interface Blocked {
  reason: BlockedReason;
  /** `page`: refused before anything was sent. */
  during: 'page' | 'preflight' | 'request';
  /** Where the standard says so. */
  section: string;
  /** One sentence for someone who has never heard of a preflight. */
  detail: string;
  /** The method or header concerned. */
  name?: string;
}

export interface FetchOptions {
  /** What the browser remembers of earlier preflights; left out: nothing. */
  cache?: PreflightCache;
  /**
   * Stop before the request itself is sent, so that a DELETE deletes nothing. `allowed` then means that the browser
   * would send it: the preflight passed, or none was needed (and then nothing was performed at all).
   */
  preflightOnly?: boolean;
}

/** Fetches as a browser would for this page. Rejects only if no browser writes `page.origin` that way. */
export async function fetchAsPage(
  page: PageRequest, performHttp: PerformHttp, options: FetchOptions = {},
): Promise<Verdict> {
  const { cache = new PreflightCache(), preflightOnly = false } = options;
  const exchanges: Exchange[] = [];
  let during: Blocked['during'] = 'page';
  let request: FetchRequest | undefined;

  const send: Send = async (kind, httpRequest, why) => {
    during = kind;
    const exchange: Exchange = { kind, request: httpRequest, why };
    exchanges.push(exchange);
    try {
      return (exchange.response = await performHttp(httpRequest));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return block('network-error', 'HTTP-network fetch', `No answer came from ${httpRequest.url}: ${message}`);
    }
  };

  try {
    request = createRequest(page);
    let cause = 'the page asked for it';
    for (;;) {
      const permission = await mainFetch(request, send, cache);
      if (preflightOnly) return { allowed: true, exchanges };
      const response = await send('request', toHttpRequest(request), `${cause}; ${permission}`);
      // HTTP fetch, step 4.4: the answer that redirects has to pass as well.
      if (request.tainting === 'cors') corsCheck(request, response, `The answer (status ${response.status})`);
      const from = httpUrl(currentUrl(request));
      if (!httpRedirectFetch(request, response)) {
        return { allowed: true, exchanges, response, readableHeaders: readableHeaders(request, response) };
      }
      cause = `${from} redirected to it (status ${response.status})`;
    }
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    // Main fetch, step 12: a failure makes the browser forget the preflight.
    if (request?.tainting === 'cors' && whyPreflight(request) !== undefined) cache.clear(cacheKey(request));
    return { allowed: false, exchanges, blocked: { ...error.blocked, during } };
  }
}

// ---- What is safe, and what a preflight has to ask for ----

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const NORMALISED_METHODS = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'];
const FORBIDDEN_METHODS = ['CONNECT', 'TRACE', 'TRACK'];

/** Fetch, "normalize a method": `patch` is not on the list, and stays as it is. */
export function normaliseMethod(method: string): string {
  const upperCase = method.toUpperCase();
  return NORMALISED_METHODS.includes(upperCase) ? upperCase : method;
}

/** Fetch, "forbidden method". */
export function isForbiddenMethod(method: string): boolean {
  return FORBIDDEN_METHODS.includes(method.toUpperCase());
}

/** Fetch, "CORS-safelisted method". */
export function isSafelistedMethod(method: string): boolean {
  return isGetOrHead(method) || method === 'POST';
}

const FORBIDDEN_REQUEST_HEADERS = new Set([
  'accept-charset', 'accept-encoding', 'access-control-request-headers', 'access-control-request-method',
  'connection', 'content-length', 'cookie', 'cookie2', 'date', 'dnt', 'expect', 'host', 'keep-alive', 'origin',
  'referer', 'set-cookie', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'via',
]);
const METHOD_OVERRIDES = ['x-http-method', 'x-http-method-override', 'x-method-override'];

/** Fetch, "forbidden request-header": `fetch()` leaves it out without a word. */
export function isForbiddenRequestHeader([name, value]: Header): boolean {
  const lowerCase = name.toLowerCase();
  if (FORBIDDEN_REQUEST_HEADERS.has(lowerCase) || /^(?:proxy|sec)-/.test(lowerCase)) return true;
  return METHOD_OVERRIDES.includes(lowerCase) && value.split(',').some((method) => isForbiddenMethod(method.trim()));
}

const UNSAFE_BYTE = /[\0-\x08\x0A-\x1F"():<>?@[\\\]{}\x7F]/;
const LANGUAGE = /^[0-9A-Za-z *,\-.;=]*$/;
const FORM_TYPES = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];

/** Fetch, "CORS-safelisted request-header". A header's characters are bytes, so that `length` counts bytes. */
export function isSafelistedRequestHeader([name, value]: Header): boolean {
  if (value.length > 128) return false;
  switch (name.toLowerCase()) {
    case 'accept':
      return !UNSAFE_BYTE.test(value);
    case 'accept-language':
    case 'content-language':
      return LANGUAGE.test(value);
    case 'content-type':
      return !UNSAFE_BYTE.test(value) && FORM_TYPES.includes(trim(value.replace(/;.*/, '')).toLowerCase());
    case 'range': {
      const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(value) ?? [];
      return start !== undefined && (end === '' || Number(start) <= Number(end));
    }
    default:
      return false;
  }
}

/** Fetch, "CORS-unsafe request-header names": what the server has to allow by name; lower case, sorted. */
export function unsafeRequestHeaderNames(headers: readonly Header[]): string[] {
  const safe = headers.filter(isSafelistedRequestHeader);
  const safelistValueSize = safe.reduce((size, [, value]) => size + value.length, 0);
  const unsafe = safelistValueSize > 1024 ? headers : headers.filter((header) => !safe.includes(header));
  return [...new Set(unsafe.map(([name]) => name.toLowerCase()))].sort();
}

/** Why a cross-origin request with this method and these headers needs a preflight; undefined if it needs none. */
export function whyPreflight(request: { method: string; headers: readonly Header[] }): string | undefined {
  const { method, headers } = request;
  const reasons: string[] = [];
  if (!isSafelistedMethod(method)) reasons.push(`the method ${method} is not GET, HEAD or POST`);
  const names = unsafeRequestHeaderNames(headers)
    .map((name) => (name === 'content-type' ? `content-type: ${getHeader(headers, name)}` : name));
  if (names.length > 0) reasons.push(`a page may not send ${names.join(', ')} to another origin without asking`);
  return reasons.length > 0 ? reasons.join(', and ') : undefined;
}

// ---- The request ----

/** The standard's "request", as far as CORS looks at it. */
interface FetchRequest {
  readonly origin: string;
  readonly credentials: 'omit' | 'same-origin' | 'include';
  method: string;
  headers: readonly Header[];
  body: string | undefined;
  /** URL list: the last is the current URL. */
  readonly urls: URL[];
  /** Response tainting: `cors` from the first other origin on, for good. */
  tainting: 'basic' | 'cors';
}

/** The `Request` constructor, and what `fetch` and `main fetch` check first. */
function createRequest(page: PageRequest): FetchRequest {
  const { origin, credentials = 'same-origin', method = 'GET', body } = page;
  // A slip of the caller's, such as a trailing slash, must not look like a fault of the server's.
  const pageUrl = origin === 'null' ? undefined : new URL(origin);
  if (pageUrl !== undefined && isHttp(pageUrl) && pageUrl.origin !== origin) {
    throw new TypeError(`A browser writes the origin ${origin} as ${pageUrl.origin}`);
  }

  const constructor = 'Request constructor, step';
  const url = parseUrl(page.url) ?? block('invalid-url', `${constructor} 5.2`, `${page.url} is not an absolute URL.`);
  if (includesCredentials(url)) {
    block('url-credentials', `${constructor} 5.3`, `fetch() takes no URL with a user name or password: ${page.url}.`);
  }
  if (!TOKEN.test(method)) {
    block('invalid-method', `${constructor} 25.2`, `"${method}" is not a method: it has to be one word.`, method);
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
  // Step 37.4: the type of a string body.
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

/** What is sent and remembered of a URL: no fragment, and no user information either (that waits for a 401). */
function httpUrl({ origin, pathname, search }: URL): string {
  return origin + pathname + search;
}

/** "Serializing a request origin", "redirect-taint": a redirect from one foreign origin to another makes it null. */
function serialiseOrigin({ origin, urls }: FetchRequest): string {
  const tainted = urls.some((url, index) => {
    const last = urls[index - 1];
    return last !== undefined && url.origin !== last.origin && origin !== last.origin;
  });
  return tainted ? 'null' : origin;
}

/** HTTP-network-or-cache fetch, steps 8.3 to 8.13: the request with the headers that only the browser can set. */
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

/** Fetch Metadata: Sec-Fetch-* go only to https: and to this machine. */
function isPotentiallyTrustworthy({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || /^(?:(?:.+\.)?localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}

/** Fetch Metadata, "set Sec-Fetch-Site": the most foreign of all URLs on the way. */
function fetchSite({ origin, urls }: FetchRequest): string {
  const foreign = urls.filter((url) => url.origin !== origin);
  if (foreign.length === 0) return 'same-origin';
  return foreign.every((url) => origin !== 'null' && isSameSite(new URL(origin), url)) ? 'same-site' : 'cross-site';
}

/** HTML, "same site", approximately: the registrable domain is the last two labels, even where they are `co.uk`. */
function isSameSite(one: URL, other: URL): boolean {
  const site = ({ hostname, protocol }: URL) =>
    `${protocol}//${/^[\d.]+$|^\[/.test(hostname) ? hostname : hostname.split('.').slice(-2).join('.')}`;
  return site(one) === site(other);
}

// ---- Fetching ----

const REDIRECT_STATUSES = [301, 302, 303, 307, 308];

type Send = (kind: Exchange['kind'], request: HttpRequest, why: string) => Promise<HttpResponse>;

/** Main fetch, step 12, and HTTP fetch, step 4.1: by what right the request goes out. */
async function mainFetch(request: FetchRequest, send: Send, cache: PreflightCache): Promise<string> {
  if (currentUrl(request).origin === request.origin && request.tainting === 'basic') {
    return 'it is of the same origin, so that CORS does not apply';
  }
  request.tainting = 'cors';
  if (whyPreflight(request) === undefined) return 'such a request goes out without a preflight';

  const key = cacheKey(request);
  const remembered =
    (isSafelistedMethod(request.method) || cache.has(key, 'method', request.method)) &&
    unsafeRequestHeaderNames(request.headers).every((name) => cache.has(key, 'header', name));
  if (remembered) return 'an earlier preflight, still remembered, allows it';
  await corsPreflightFetch(request, send, cache);
  return 'the preflight allows it';
}

/** CORS-preflight fetch. */
async function corsPreflightFetch(request: FetchRequest, send: Send, cache: PreflightCache): Promise<void> {
  const { method } = request;
  const unsafeNames = unsafeRequestHeaderNames(request.headers);

  // Steps 1 to 5. Names are joined without a space, and neither cookies nor the page's own headers go along.
  const headers: Header[] = [['Accept', '*/*'], ['Access-Control-Request-Method', method]];
  if (unsafeNames.length > 0) headers.push(['Access-Control-Request-Headers', unsafeNames.join(',')]);
  const preflight = { ...request, method: 'OPTIONS', headers, body: undefined, credentials: 'same-origin' } as const;

  // Steps 6 and 7. Redirects are not followed. The CORS check is on the request, because of its credentials mode.
  const response = await send('preflight', toHttpRequest(preflight), whyPreflight(request) ?? '');
  const { status } = response;
  const answer = `The answer to the preflight (the OPTIONS request that asks for permission first, status ${status})`;
  const step = 'CORS-preflight fetch, step';
  const redirect = REDIRECT_STATUSES.includes(status);
  if (redirect) block('preflight-redirect', `${step} 7`, `${answer} must not be a redirect.`);
  corsCheck(request, response, answer);
  if (status < 200 || status > 299) block('preflight-status', `${step} 7`, `${answer} needs a 2xx status.`);

  // Steps 7.1 to 7.3.
  const allowList = (name: string) => {
    const value = getHeader(response.headers, name);
    return parseTokens(value) ??
      block('malformed-allow-list', `${step} 7.3`, `${answer} has an unreadable list, "${name}: ${value}".`, name);
  };
  const methods = allowList('Access-Control-Allow-Methods');
  const headerNames = allowList('Access-Control-Allow-Headers').map((name) => name.toLowerCase());
  const wildcard = request.credentials !== 'include';
  const instead = (list: string[]) =>
    `only ${list.join(', ') || 'none'}${!wildcard && list.includes('*') ? ' (with cookies, * is no wildcard)' : ''}`;

  // Step 7.5.
  if (!methods.includes(method) && !isSafelistedMethod(method) && !(wildcard && methods.includes('*'))) {
    block('method-not-allowed', `${step} 7.5`,
      `${answer} does not allow the method ${method} (upper and lower case count), ${instead(methods)}.`, method);
  }
  // Step 7.6. Browsers lag behind the standard here (whatwg/fetch#1919, still open).
  if (unsafeNames.includes('authorization') && !headerNames.includes('authorization')) {
    const lenient = wildcard && headerNames.includes('*') ? ' by name (for now, most browsers make do with *)' : '';
    block('header-not-allowed', `${step} 7.6`,
      `${answer} does not allow the header authorization${lenient}, ${instead(headerNames)}.`, 'authorization');
  }
  // Step 7.7.
  const refused = unsafeNames.find((name) => !headerNames.includes(name) && !(wildcard && headerNames.includes('*')));
  if (refused !== undefined) {
    block('header-not-allowed', `${step} 7.7`,
      `${answer} does not allow the header ${refused}, ${instead(headerNames)}.`, refused);
  }

  // Steps 7.8 to 7.14.
  const value = getHeader(response.headers, 'Access-Control-Max-Age') ?? '';
  const maxAge = /^\d+$/.test(value) ? Math.min(Number(value), MAXIMUM_AGE) : 5;
  cache.store(cacheKey(request), 'method', methods, maxAge);
  cache.store(cacheKey(request), 'header', headerNames, maxAge);
}

/** CORS check. */
function corsCheck(request: FetchRequest, { headers }: HttpResponse, answer: string): void {
  const origin = serialiseOrigin(request);
  const name = 'Access-Control-Allow-Origin';
  const allowed = getHeader(headers, name); // Step 1: several are joined, and so equal nothing.
  if (allowed === undefined) {
    block('origin-missing', 'CORS check, step 2', `${answer} has no ${name} that would give it to ${origin}.`, name);
  }
  const withCredentials = request.credentials === 'include';
  if (allowed === '*' && !withCredentials) return;
  if (allowed !== origin) {
    const [reason, detail]: [BlockedReason, string] =
      allowed === '*' ? ['wildcard-with-credentials', 'is for any origin (*), which does not count with cookies']
      : allowed.includes(',') ? ['origin-multiple', `is for a list (${allowed}), where only one origin counts`]
      : ['origin-mismatch', `is for the origin "${allowed}"`];
    block(reason, 'CORS check, step 4', `${answer} ${detail}: ${name} has to be exactly ${origin}.`, name);
  }
  if (!withCredentials) return;
  const flag = 'Access-Control-Allow-Credentials';
  const value = getHeader(headers, flag);
  if (value !== 'true') {
    block('credentials-not-allowed', 'CORS check, step 8',
      `${answer} is not for a page that sends cookies: ${flag} is ${value ?? 'missing'}, and has to be true.`, flag);
  }
}

/** HTTP-redirect fetch, up to its return to main fetch. False where the response is not to be followed. */
function httpRedirectFetch(request: FetchRequest, { status, headers }: HttpResponse): boolean {
  const locations = headers.filter(([name]) => name.toLowerCase() === 'location').map(([, value]) => value);
  if (!REDIRECT_STATUSES.includes(status) || locations.length === 0) return false;

  const step = 'HTTP-redirect fetch, step';
  const url = currentUrl(request);
  const { method, origin, tainting } = request;
  const location = (locations.length === 1 ? parseUrl(locations[0] as string, url) : undefined) ??
    block('redirect-location', `${step} 5`, `The redirect leads to "${locations.join(', ')}", which is no URL.`);
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

/** Main fetch, step 14: "basic filtered response" and "CORS filtered response". */
function readableHeaders(request: FetchRequest, response: HttpResponse): string[] {
  const names = [...new Set(response.headers.map(([name]) => name.toLowerCase()))].sort();
  const list = parseTokens(getHeader(response.headers, 'Access-Control-Expose-Headers')) ?? [];
  const exposed = list.map((name) => name.toLowerCase());
  const all = request.tainting === 'basic' || (exposed.includes('*') && request.credentials !== 'include');
  return names.filter((name) =>
    name !== 'set-cookie' && name !== 'set-cookie2' &&
    (all || exposed.includes(name) || SAFELISTED_RESPONSE_HEADERS.includes(name)));
}

// ---- The CORS-preflight cache ----

/** The longest that a preflight is remembered, in seconds: the "imposed limit" of Chromium. Firefox has 86400. */
const MAXIMUM_AGE = 7200;

interface CacheKey {
  readonly origin: string;
  readonly url: string;
  readonly credentials: boolean;
}

interface CacheEntry extends CacheKey {
  readonly kind: 'method' | 'header';
  readonly name: string;
  expires: number;
}

function cacheKey(request: FetchRequest): CacheKey {
  const credentials = request.credentials === 'include';
  return { origin: serialiseOrigin(request), url: httpUrl(currentUrl(request)), credentials };
}

/** What a browser remembers of preflights that passed. Share one between calls of `fetchAsPage`. */
export class PreflightCache {
  readonly #now: () => number;
  #entries: CacheEntry[] = [];

  /** `now` is a clock in milliseconds. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** "Method cache entry match" and "header-name cache entry match". */
  has(key: CacheKey, kind: CacheEntry['kind'], name: string): boolean {
    return this.#find(key, kind, name) !== undefined;
  }

  /** `maxAge` in seconds. */
  store(key: CacheKey, kind: CacheEntry['kind'], names: readonly string[], maxAge: number): void {
    const now = this.#now();
    const expires = now + maxAge * 1000;
    for (const name of names) {
      const entry = this.#find(key, kind, name);
      if (entry === undefined) this.#entries.push({ ...key, kind, name, expires });
      else entry.expires = expires;
    }
    this.#entries = this.#entries.filter((entry) => entry.expires > now);
  }

  /** "Clear cache entries". */
  clear({ origin, url }: CacheKey): void {
    this.#entries = this.#entries.filter((entry) => entry.origin !== origin || entry.url !== url);
  }

  /** What was allowed with credentials holds without them, too, but there `*` is not a wildcard. */
  #find(key: CacheKey, kind: CacheEntry['kind'], name: string): CacheEntry | undefined {
    const now = this.#now();
    return this.#entries.find((entry) =>
      entry.expires > now && entry.origin === key.origin && entry.url === key.url &&
      (entry.credentials || !key.credentials) && entry.kind === kind &&
      (entry.name === name ||
        (entry.name === '*' && !entry.credentials && (kind === 'method' || name !== 'authorization'))));
  }
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

function block(reason: BlockedReason, step: string, detail: string, name?: string): never {
  throw new NetworkError({ reason, section: `Fetch, ${step}`, detail, ...(name === undefined ? {} : { name }) });
}

/** "Get" from a header list: all values of a name, joined. */
function getHeader(headers: readonly Header[], name: string): string | undefined {
  const values = headers.filter((header) => header[0].toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return values.length > 0 ? values.join(', ') : undefined;
}

/** "Extract header list values" for a list of tokens: empty without the header, undefined if it cannot be read. */
function parseTokens(value = ''): string[] | undefined {
  const tokens = value.split(',').map(trim).filter((token) => token !== '');
  return tokens.every((token) => TOKEN.test(token)) ? tokens : undefined;
}

/** Without leading and trailing HTTP whitespace, which is less than what `String.prototype.trim` removes. */
function trim(value: string): string {
  return value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
}

function isGetOrHead(method: string): boolean {
  return method === 'GET' || method === 'HEAD';
}

function isHttp({ protocol }: URL): boolean {
  return protocol === 'http:' || protocol === 'https:';
}

function includesCredentials({ username, password }: URL): boolean {
  return username !== '' || password !== '';
}

function parseUrl(url: string, base?: URL): URL | undefined {
  try {
    return new URL(url, base);
  } catch {
    return undefined;
  }
}
