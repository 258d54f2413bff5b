/** Says what to change for each reason of blocking, and what the response is after that change. */

import type { Blocked, BlockedReason, Exchange, HttpRequest, HttpResponse, PageRequest } from './browser-model.ts';
import type { Repair } from './change.ts';
import { type Header, TOKEN, getHeader } from './header-list.ts';
import { spaceOf } from './network-access.ts';
import { adviceOnProxyError, isProxyError } from './proxy-error.ts';
import { isTemplateResponse, templateOrigin } from './template.ts';

export const ORIGIN = 'Access-Control-Allow-Origin';
export const CREDENTIALS = 'Access-Control-Allow-Credentials';
export const METHODS = 'Access-Control-Allow-Methods';
export const HEADERS = 'Access-Control-Allow-Headers';
export const EXPOSED = 'Access-Control-Expose-Headers';

const NO_COOKIES = "If the page needs no cookies here, leave credentials: 'include' out of its fetch() instead.";
const EVERY_RESPONSE = 'with every response, including errors and the preflight response';
const LOCAL_PAGE = 'open the page on http://localhost, such as http://localhost:5173';
const CHECK_AGAIN = 'allow that origin, and check again with it';

/**
 * Returns the repair of one error.
 *
 * @param exchange the last one, which is missing if the request was blocked before anything was sent
 */
export function repair(blocked: Blocked, page: PageRequest, exchange: Exchange | undefined): Repair {
  const { reason, name = '' } = blocked;
  const { request, response } = exchange ?? {};
  if (request && isProxyError(response)) {
    return { text: adviceOnProxyError(response, request.url), replacesEarlier: true };
  }
  switch (reason) {
    case 'origin-missing':
    case 'origin-multiple':
    case 'origin-mismatch':
    case 'wildcard-with-credentials':
      return repairOrigin(reason, page, request, response);
    case 'credentials-not-allowed':
      return {
        text: `Send "${CREDENTIALS}: true" ${EVERY_RESPONSE}; "true" in lower case. ${NO_COOKIES}`,
        variable: 'CORS_CREDENTIALS=true',
        ...repaired(response, CREDENTIALS, 'true'),
      };
    case 'preflight-status':
      return { ...repairStatus(request, response), ...(response && { response: { ...response, status: 204 } }) };
    case 'malformed-allow-list':
      return repairList(name, response);
    case 'method-not-allowed':
      return repairMethod(name, page, request, response);
    case 'header-not-allowed':
      return repairHeader(name, page, request, response);
    case 'preflight-redirect':
      return {
        text:
          `Call ${redirectTarget(request, response) ?? 'the address in Location'} directly: the server redirects ` +
          'there. Often only https:// or a trailing slash is missing. A preflight must not be redirected.',
      };
    case 'redirect-location':
    case 'redirect-scheme':
      return { text: 'Call the final address directly, or fix the Location that the server sends.' };
    case 'redirect-limit':
      return { text: 'Fix the Location that the server sends: this many redirects are usually a loop.' };
    case 'redirect-credentials':
      return {
        text:
          'Remove the user name and password from the Location that the server sends. A page cannot call such an ' +
          'address directly either. If they are needed, send them in an Authorization header.',
      };
    case 'url-credentials':
      return { text: 'Remove the user name and password from the address, and send them in an Authorization header.' };
    case 'invalid-url':
    case 'url-scheme':
      return { text: 'Write the complete address, such as http://localhost:8000/notes.' };
    case 'invalid-method':
    case 'forbidden-method':
      return { text: 'Use another method, such as GET or POST.' };
    case 'invalid-header':
      return { text: 'Fix the header: a name such as x-token, a value on one line, and only Latin-1 characters.' };
    case 'body-not-allowed':
      return { text: 'Send the body with POST or PUT, or put the data into the query string.' };
    case 'network-error':
      return { text: 'Make sure the server is running, then try again.' };
    case 'bad-port':
      return { text: 'Run the server on another port, such as 8000, and call it there.' };
    case 'unusable-address':
      return { text: `Call ${(blocked.url ?? '').replace('//0.0.0.0', '//localhost')} instead.` };
    case 'mixed-content':
    case 'local-network':
      return { text: repairAddress(reason, blocked.url ?? page.url) };
  }
}

/** Returns how to avoid the permission prompt or the blocked address. */
export function repairAddress(reason: 'mixed-content' | 'local-network' | 'asks', address: string): string {
  const url = new URL(address);
  const isLocal = spaceOf(url.hostname) !== 'public';
  switch (reason) {
    case 'mixed-content':
      if (isLocal) return `Serve ${url.host} over https:, or ${LOCAL_PAGE}; ${CHECK_AGAIN}.`;
      url.hostname = 'localhost';
      return (
        `Serve ${new URL(address).host} over https:, and call it with https:. If it is this computer, call ` +
        `${url.href} instead, because an https: page may call that address.`
      );
    case 'local-network':
      return `Serve the page over https:, so that Chrome asks the user. Or ${LOCAL_PAGE}; ${CHECK_AGAIN}.`;
    case 'asks':
      return (
        'Allow it when the browser asks. If it was denied before, reset the permission in the site settings (next to ' +
        `the address of the page). Or ${LOCAL_PAGE}, which needs no permission; ${CHECK_AGAIN}.`
      );
  }
}

function repairOrigin(
  reason: BlockedReason, page: PageRequest, request: HttpRequest | undefined, response: HttpResponse | undefined,
): Repair {
  const origin = getHeader(request?.headers ?? [], 'Origin') ?? page.origin;
  if (origin === 'null' && page.origin !== 'null') {
    return {
      text:
        `Call ${request?.url} directly, and check again with that address. ` +
        'After a redirect from one other origin to a second one, a browser sends Origin: null.',
      replacesEarlier: true,
    };
  }
  if (response && originLines(response).length > 1) return repairRepeatedOrigin(origin, response);
  const current = headerOf(response, ORIGIN);
  const withCookies = page.credentials === 'include';
  const instead = current === undefined ? '' : ` instead of "${current}"`;
  const anyPage = withCookies ? '' : ' (or "*", if any page may read it)';
  const sentences = [
    `Send "${ORIGIN}: ${origin}"${instead} ${EVERY_RESPONSE},`,
    `and "Vary: Origin" with it${anyPage}.`,
  ];
  if (reason === 'origin-multiple') {
    sentences.push("The header may contain only one origin: if the request's Origin is on your list, send that one.");
  }
  // If the other header is missing as well, its own text says this.
  if (reason === 'wildcard-with-credentials' && headerOf(response, CREDENTIALS) === 'true') sentences.push(NO_COOKIES);
  const final = redirectTarget(request, response);
  if (final) sentences.push(`Or call ${final} directly: this response redirects there, and needs the header too.`);
  const change = { text: sentences.join(' '), ...templateOrigin(origin, { withCookies }) };
  // The template's 403 hides any further problem, so a second repair would be a guess.
  if (response?.status === 403 && isTemplateResponse(response)) {
    return { ...change, text: `${change.text} Then try again, because the 403 hides any further problem.` };
  }
  return { ...change, ...repaired(response, ORIGIN, origin) };
}

function originLines({ headers }: HttpResponse): Header[] {
  return headers.filter(([name]) => name.toLowerCase() === ORIGIN.toLowerCase());
}

/** Removes the repetition. If the remaining value is wrong, it is the next error. */
function repairRepeatedOrigin(origin: string, response: HttpResponse): Repair {
  const lines = originLines(response);
  const values = lines.map(([, value]) => value);
  const value = [origin, '*'].find((right) => values.includes(right)) ?? values[0] ?? '';
  const others = response.headers.filter((header) => !lines.includes(header));
  return {
    text:
      `Send ${ORIGIN} only once: it occurs ${values.length} times in this response (${values.join(' and ')}). ` +
      'Usually the application and a proxy in front of it both add it. Remove the CORS headers from one of them.',
    response: { ...response, headers: [...withoutRepetition(others), [ORIGIN, value]] },
  };
}

/** Removes repeated lines, because a proxy that adds one CORS header again usually adds all of them again. */
function withoutRepetition(headers: readonly Header[]): Header[] {
  const line = ([name, value]: Header) => `${name.toLowerCase()}: ${value}`;
  return headers.filter((header, index) => headers.findIndex((other) => line(other) === line(header)) === index);
}

function repairStatus(request: HttpRequest | undefined, response: HttpResponse | undefined): Repair {
  const { host = '', pathname = '' } = request ? new URL(request.url) : {};
  const status = response?.status ?? 0;
  const text = `Respond to the preflight, OPTIONS ${pathname}, with status 204.`;
  if (status === 421) {
    const name = host.replace(/:\d+$/, '');
    return { text: `${text} The server rejects its Host, ${host}.`, variable: `ALLOWED_HOSTS=${name}` };
  }
  if (status === 401 || status === 403) {
    return { text: `${text} Do not require a login: a preflight contains no cookies and no Authorization header.` };
  }
  if (status === 404 || status === 405 || status === 501) {
    return { text: `${text} The server does not handle OPTIONS here: the CORS middleware of your framework adds it.` };
  }
  return { text: status >= 500 ? `${text} The server failed: its log should show why.` : text };
}

function repairList(name: string, response: HttpResponse | undefined): Repair {
  const names = listOf(response, name).filter((item) => TOKEN.test(item)).join(', ');
  return {
    text: names === ''
      ? `Leave ${name} out of the preflight response: "${headerOf(response, name)}" contains no valid name.`
      : `Write ${name} as names separated by commas, and nothing else: "${name}: ${names}".`,
    list: name,
    ...repaired(response, name, names),
  };
}

function repairMethod(
  method: string, page: PageRequest, request: HttpRequest | undefined, response: HttpResponse | undefined,
): Repair {
  const upperCase = method.toUpperCase();
  if (method !== upperCase) {
    return {
      text:
        `Write method: '${upperCase}' in the page's fetch(). Methods are case-sensitive, ` +
        'and fetch() converts only get, head, post, put, delete and options to upper case.',
      page: { ...page, method: upperCase },
    };
  }
  const allowed = withoutWildcard(page, listOf(response, METHODS)).filter((item) => item.toUpperCase() !== method);
  const list = [...allowed, method].join(', ');
  const name = `do${method.toLowerCase().replace(/(?:^|-)./g, (letter) => letter.slice(-1).toUpperCase())}`;
  return {
    text: `Allow ${method} in the preflight response: "${METHODS}: ${list}".`,
    code: `add ${name} to the class of ${request ? new URL(request.url).pathname : 'this path'} in src/routes.ts`,
    list: METHODS,
    ...repaired(response, METHODS, list),
  };
}

function repairHeader(
  name: string, page: PageRequest, request: HttpRequest | undefined, response: HttpResponse | undefined,
): Repair {
  const asked = listOf(request, 'Access-Control-Request-Headers');
  if (name.startsWith('access-control-')) {
    const headers = (page.headers ?? []).filter(([other]) => other.toLowerCase() !== name);
    const text = `Leave ${name} out of the headers of fetch(): the server sends it, with its response.`;
    return { text, page: { ...page, headers } };
  }
  const allowed = withoutWildcard(page, listOf(response, HEADERS).map((item) => item.toLowerCase()));
  const missing = asked.filter((item) => item === name || !(allowed.includes(item) || allowed.includes('*')));
  const list = [...allowed, ...missing];
  return {
    text: `Allow ${missing.join(' and ')} in the preflight response: "${HEADERS}: ${list.join(', ')}".`,
    variable: `CORS_ALLOWED_HEADERS=${list.join(',')}`,
    list: HEADERS,
    ...repaired(response, HEADERS, list.join(',')),
  };
}

// ---- Small parts ----

type Message = Pick<HttpRequest | HttpResponse, 'headers'>;

export function headerOf(message: Message | undefined, name: string): string | undefined {
  return getHeader(message?.headers ?? [], name);
}

export function listOf(message: Message | undefined, name: string): string[] {
  return (headerOf(message, name) ?? '').split(',').map((item) => item.trim()).filter(Boolean);
}

/** Removes `*`, which is a literal name for requests with credentials. */
function withoutWildcard(page: PageRequest, list: string[]): string[] {
  return page.credentials === 'include' ? list.filter((item) => item !== '*') : list;
}

function repaired(response: HttpResponse | undefined, name: string, value: string): Pick<Repair, 'response'> {
  if (!response) return {};
  const others = response.headers.filter((header) => header[0].toLowerCase() !== name.toLowerCase());
  return { response: { ...response, headers: value === '' ? others : [...others, [name, value]] } };
}

/** Returns the target of a redirect, without the user name and password, which no page may call. */
function redirectTarget(request: HttpRequest | undefined, response: HttpResponse | undefined): string | undefined {
  const location = headerOf(response, 'Location');
  if (location === undefined || ![301, 302, 303, 307, 308].includes(response?.status ?? 0)) return undefined;
  try {
    const url = new URL(location, request?.url);
    url.username = '';
    url.password = '';
    return url.href;
  } catch {
    return undefined;
  }
}
