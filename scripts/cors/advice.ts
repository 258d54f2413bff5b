/**
 * What the browser's verdict means for the person who wants the page to work: the texts that the command
 * `cors:explain` and the playground share. Like the model, it runs in browsers as well as in Node.
 */

import {
  type Blocked, type BlockedReason, type Exchange, type HttpRequest, type HttpResponse, type PageRequest,
  type PerformHttp, type Verdict, fetchAsPage,
} from './browser-model.ts';

/** One thing to change. */
export interface Change {
  /** What to do, whatever the server is made with. */
  text: string;
  /** The environment variable to set, where the server is made from this template. */
  variable?: string;
  /** What to write into its code. */
  code?: string;
}

/** What one fault takes to be repaired, and how the answer would look then. */
interface Repair extends Change {
  response?: HttpResponse;
}

const ORIGIN = 'Access-Control-Allow-Origin';
const CREDENTIALS = 'Access-Control-Allow-Credentials';
const METHODS = 'Access-Control-Allow-Methods';
const HEADERS = 'Access-Control-Allow-Headers';
const EXPOSED = 'Access-Control-Expose-Headers';

const NO_COOKIES = "If the page needs no cookies here, leave credentials: 'include' out of its fetch() instead.";

// ---- What happened ----

/** A step of the dialogue, in a sentence. */
export function sentenceOf({ kind, why, request }: Exchange): string {
  return kind === 'preflight'
    ? `The browser asks the server for permission first (a "preflight"), because ${why}.`
    : `The browser sends the ${request.method} request: ${why}.`;
}

/** The outcome, in a sentence. */
export function outcomeOf(page: PageRequest, { allowed, exchanges, response, blocked }: Verdict): string {
  if (!allowed) {
    const arrived = blocked?.during === 'request' && exchanges.at(-1)?.response !== undefined;
    return `${blocked?.detail ?? ''}${arrived ? ARRIVED : ''}`;
  }
  if (response) return `The page gets the answer (status ${response.status}).`;
  const method = page.method ?? 'GET';
  return exchanges.length > 0
    ? `The server permits it: a browser would now send the ${method} request.`
    : `A browser sends this ${method} request without asking first. Only the answer says whether the page may have it.`;
}

const ARRIVED = ' The request did reach the server, which may have acted on it; only the page does not get the answer.';

/** What a server says of an error in `detail` (RFC 9457). */
export function problemDetail(response: HttpResponse | undefined): string | undefined {
  if (!/^application\/problem\+json\b/i.test(headerOf(response, 'Content-Type') ?? '')) return undefined;
  try {
    const { detail } = JSON.parse(response?.body ?? '') as { detail?: unknown };
    return typeof detail === 'string' ? detail : undefined;
  } catch {
    return undefined;
  }
}

/** Headers that say something about CORS, or about this answer alone; the rest would drown them. */
export function isTelling([name, value]: readonly [name: string, value: string]): boolean {
  return !HOUSEKEEPING.test(name) && !(/^accept$/i.test(name) && value === '*/*');
}

/** What concerns the connection, caches and the browser itself. */
const HOUSEKEEPING = new RegExp(
  `^(?:${[
    'age', 'alt-svc', 'cache-control', 'connection', 'content-encoding', 'content-length', 'content-security-policy',
    'cross-origin-.*', 'date', 'expires', 'keep-alive', 'last-modified', 'nel', 'permissions-policy', 'referrer-policy',
    'report-to', 'reporting-endpoints', 'sec-fetch-.*', 'server', 'strict-transport-security', 'transfer-encoding',
    'via', 'x-content-type-options', 'x-frame-options', 'x-powered-by', 'x-xss-protection',
  ].join('|')})$`,
  'i',
);

// ---- What to change ----

/**
 * All that stands in the way. A browser names the first fault only; here it is repaired on paper, and the same answers
 * are judged again, until the page would get what it asked for or the answers say no more.
 */
export async function changesFor(page: PageRequest, verdict: Verdict): Promise<Change[]> {
  const answers = verdict.exchanges.map(({ response }) => response);
  const changes: Change[] = [];
  let { blocked, exchanges } = verdict;
  while (blocked && exchanges.length <= answers.length) {
    const { response, ...change } = repair(blocked, page, exchanges.at(-1));
    changes.push(change);
    if (!response) break;
    answers[exchanges.length - 1] = response;
    const rest = answers.values();
    const replay = async () => rest.next().value ?? Promise.reject(new Error('No answer was recorded'));
    ({ blocked, exchanges } = await fetchAsPage(page, replay));
  }
  return changes;
}

/** Response headers that are there, but not for the page: `Set-Cookie` apart, which is for no page at all. */
export function hiddenHeaders({ response, readableHeaders = [] }: Verdict): string[] {
  const names = new Set((response?.headers ?? []).map(([name]) => name.toLowerCase()));
  return [...names].filter((name) => !readableHeaders.includes(name) && !/^set-cookie2?$/.test(name)).sort();
}

/** How to let the page read those of the hidden headers that it could want; undefined where there is none. */
export function exposure(verdict: Verdict): Change | undefined {
  const names = hiddenHeaders(verdict)
    .filter((name) => !HOUSEKEEPING.test(name) && !/^(?:access-control-.*|vary)$/.test(name));
  if (names.length === 0) return undefined;
  const all = [...listOf(verdict.response, EXPOSED).filter((name) => name !== '*'), ...names];
  return {
    text: `To let the page read ${names.join(', ')}, send "${EXPOSED}: ${all.join(', ')}".`,
    variable: `CORS_EXPOSED_HEADERS=${all.join(',')}`,
  };
}

/** `exchange` is the last one; without it, the page's call failed before anything was sent. */
function repair({ reason, name = '' }: Blocked, page: PageRequest, exchange: Exchange | undefined): Repair {
  const { request, response } = exchange ?? {};
  switch (reason) {
    case 'origin-missing':
    case 'origin-multiple':
    case 'origin-mismatch':
    case 'wildcard-with-credentials':
      return repairOrigin(reason, page, request, response);
    case 'credentials-not-allowed':
      return {
        text: `Send "${CREDENTIALS}: true" with it, in lower case. ${NO_COOKIES}`,
        variable: 'CORS_CREDENTIALS=true',
        ...repaired(response, CREDENTIALS, 'true'),
      };
    case 'preflight-status':
      return { ...repairStatus(request, response), ...(response && { response: { ...response, status: 204 } }) };
    case 'malformed-allow-list': {
      const names = listOf(response, name).filter((item) => /^[\w!#$%&'*+.^`|~-]+$/.test(item)).join(', ');
      return {
        text: `Write ${name} as names with commas between them, and nothing else: "${name}: ${names}".`,
        ...repaired(response, name, names),
      };
    }
    case 'method-not-allowed':
      return repairMethod(name, page, request, response);
    case 'header-not-allowed': {
      const asked = listOf(request, 'Access-Control-Request-Headers');
      const allowed = named(page, listOf(response, HEADERS).map((item) => item.toLowerCase()));
      const missing = asked.filter((item) => item === name || !(allowed.includes(item) || allowed.includes('*')));
      const list = [...allowed, ...missing];
      return {
        text: `Allow ${missing.join(' and ')} in the answer to the preflight: "${HEADERS}: ${list.join(', ')}".`,
        variable: `CORS_ALLOWED_HEADERS=${list.join(',')}`,
        ...repaired(response, HEADERS, list.join(',')),
      };
    }
    case 'preflight-redirect':
      return {
        text:
          `Call ${target(request, response) ?? 'the address in Location'} at once, where the server redirects to. ` +
          'Often only https:// or a slash at the end is missing. A browser never follows the redirect of a preflight.',
      };
    case 'redirect-location':
    case 'redirect-scheme':
    case 'redirect-limit':
    case 'redirect-credentials':
      return { text: 'Call the final address at once, or mend the Location that the server sends.' };
    case 'network-error':
      return { text: 'Start the server, or mend the address.' };
    case 'invalid-url':
    case 'url-scheme':
      return { text: 'Write the whole address, such as http://localhost:8000/notes.' };
    case 'url-credentials':
      return { text: 'Leave the name and the password out of the address, and send them in an Authorization header.' };
    case 'invalid-method':
    case 'forbidden-method':
      return { text: 'Use another method, such as GET or POST.' };
    case 'invalid-header':
      return { text: 'Mend the header: a name such as x-token, a value on one line, and no letters beyond Latin-1.' };
    case 'body-not-allowed':
      return { text: 'Send the body with POST or PUT, or put what it says into the query of the address.' };
  }
}

function repairOrigin(
  reason: BlockedReason, page: PageRequest, request: HttpRequest | undefined, response: HttpResponse | undefined,
): Repair {
  const origin = headerOf(request, 'Origin') ?? page.origin;
  if (origin === 'null' && page.origin !== 'null') {
    return {
      text:
        `Call ${request?.url} at once. ` +
        'After a redirect from one site to another, a browser no longer says which page asks (Origin: null).',
    };
  }
  const current = headerOf(response, ORIGIN);
  const isWithCookies = page.credentials === 'include';
  const instead = current === undefined ? '' : ` instead of "${current}"`;
  const anyPage = isWithCookies ? '' : ' (or "*", if any page may read it)';
  const sentences = [
    `Send "${ORIGIN}: ${origin}"${instead} with every answer, errors and the answer to the preflight included,`,
    `and "Vary: Origin" with it${anyPage}.`,
  ];
  if (reason === 'origin-multiple') {
    sentences.push(
      "Only one origin counts: look for the request's Origin in the list of those that may call, and send back that one.",
      'If the header is there twice, the application and a proxy before it both add it: leave it to one of them.',
    );
  }
  // Where the other header is missing as well, its own text says this.
  if (reason === 'wildcard-with-credentials' && headerOf(response, CREDENTIALS) === 'true') sentences.push(NO_COOKIES);
  const change = { text: sentences.join(' '), ...templateOrigin(origin, isWithCookies) };
  // Whom this template refuses, it tells nothing more: to go on would be to guess.
  if (response?.status === 403 && isTemplateAnswer(response)) {
    return { ...change, text: `${change.text} Then ask again: a page that is refused is not told what else it lacks.` };
  }
  return { ...change, ...repaired(response, ORIGIN, origin) };
}

/** How this template lets an origin in; without a list where none can. */
function templateOrigin(origin: string, isWithCookies: boolean): Partial<Change> {
  if (origin === 'null') {
    return {
      text:
        'This page has no origin that a server could know it by (a file, or a sandboxed frame: Origin: null). ' +
        'Serve it from a web server of its own, such as http://localhost:5173, and let that origin in. ' +
        `Where any page may read the answer without cookies, "${ORIGIN}: *" lets this one in, too.`,
    };
  }
  if (!/^https?:/.test(origin)) return { code: `origins: (origin) => origin === '${origin}', among the cors options` };
  if (isWithCookies && origin.startsWith('http:') && !isLoopback(new URL(origin).hostname)) {
    return {
      variable: `CORS_ORIGINS=${origin.replace('http:', 'https:')}`,
      code: 'serve the page over https: with cookies, this template lets in no http: page of another machine',
    };
  }
  return { variable: `CORS_ORIGINS=${origin}` };
}

function repairStatus(request: HttpRequest | undefined, response: HttpResponse | undefined): Change {
  const { host = '', pathname = '' } = request ? new URL(request.url) : {};
  const status = response?.status ?? 0;
  const text = `Answer the preflight, OPTIONS ${pathname}, with status 204.`;
  if (status === 421) {
    const name = host.replace(/:\d+$/, '');
    return { text: `${text} It is refused because of its Host, ${host}.`, variable: `ALLOWED_HOSTS=${name}` };
  }
  if (status === 401 || status === 403) {
    return { text: `${text} Do not ask for a login: a preflight carries no cookies and no Authorization header.` };
  }
  if (status === 404 || status === 405 || status === 501) {
    return { text: `${text} The server does not know OPTIONS here: the CORS setting of your framework adds it.` };
  }
  return { text: status >= 500 ? `${text} The server failed: its log should say why.` : text };
}

function repairMethod(
  method: string, page: PageRequest, request: HttpRequest | undefined, response: HttpResponse | undefined,
): Repair {
  const allowed = named(page, listOf(response, METHODS));
  const capitals = method.toUpperCase();
  if (method !== capitals && allowed.includes(capitals)) {
    return {
      text:
        `Write method: '${capitals}' in the page's fetch(). Upper and lower case count, ` +
        'and fetch() turns only get, head, post, put, delete and options into capitals.',
    };
  }
  const list = [...allowed, method].join(', ');
  const name = `do${method.toLowerCase().replace(/(?:^|-)./g, (letter) => letter.slice(-1).toUpperCase())}`;
  return {
    text: `Allow ${method} in the answer to the preflight: "${METHODS}: ${list}".`,
    code: `add ${name} to the class of ${request ? new URL(request.url).pathname : 'this path'} in src/routes.ts`,
    ...repaired(response, METHODS, list),
  };
}

// ---- Is it this template? ----

const TELLING_DETAIL =
  /^There is nothing at this path$|^This path answers [A-Z]|: see CORS_ORIGINS |: add the name to ALLOWED_HOSTS /;

/** Whether this answer could only come from a server made from this template, as far as its words are unchanged. */
export function isTemplateAnswer(response: HttpResponse | undefined): boolean {
  return TELLING_DETAIL.test(problemDetail(response) ?? '');
}

/** Whether the server is made from this template: its answers show it, or else what it says of a path that is none. */
export async function isTemplate({ exchanges }: Verdict, performHttp: PerformHttp): Promise<boolean> {
  if (exchanges.some(({ response }) => isTemplateAnswer(response))) return true;
  const last = exchanges.at(-1);
  if (!last?.response) return false;
  try {
    const url = new URL('/cors-explain/is-there-nothing-here', last.request.url).href;
    return isTemplateAnswer(await performHttp({ method: 'GET', url, headers: [], credentials: false }));
  } catch {
    return false;
  }
}

export const HOW_TO_SET =
  'Start the server with these variables. If a list has other entries already, keep them: one,two. ' +
  'A class with a policy of its own (static cors) has it there.';

/** What to write where it is; undefined where that is nothing. */
export function templateLines(changes: readonly Change[]): { variables: string[]; code: string[] } | undefined {
  const variables = [...new Set(changes.flatMap(({ variable = [] }) => variable))];
  const code = [...new Set(changes.flatMap(({ code = [] }) => code))];
  return variables.length + code.length > 0 ? { variables, code } : undefined;
}

// ---- Small parts ----

type Message = Pick<HttpRequest | HttpResponse, 'headers'>;

function headerOf(message: Message | undefined, name: string): string | undefined {
  const lines = (message?.headers ?? []).filter((header) => header[0].toLowerCase() === name.toLowerCase());
  const values = lines.map(([, value]) => value);
  return values.length > 0 ? values.join(', ') : undefined;
}

function listOf(message: Message | undefined, name: string): string[] {
  return (headerOf(message, name) ?? '').split(',').map((item) => item.trim()).filter(Boolean);
}

/** A list in which `*` would be a mere name with cookies. */
function named(page: PageRequest, list: string[]): string[] {
  return page.credentials === 'include' ? list.filter((item) => item !== '*') : list;
}

function repaired(response: HttpResponse | undefined, name: string, value: string): Pick<Repair, 'response'> {
  if (!response) return {};
  const others = response.headers.filter((header) => header[0].toLowerCase() !== name.toLowerCase());
  return { response: { ...response, headers: [...others, [name, value]] } };
}

function target(request: HttpRequest | undefined, response: HttpResponse | undefined): string | undefined {
  try {
    return new URL(headerOf(response, 'Location') ?? '', request?.url).href;
  } catch {
    return undefined;
  }
}

function isLoopback(hostname: string): boolean {
  return /^(?:(?:.+\.)?localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}
