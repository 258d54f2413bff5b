/** What the advice is for a server that is made from this template, and how to tell that it is. */

import type { HttpResponse, PerformHttp, Verdict } from './browser-model.ts';
import type { Change } from './change.ts';
import { getHeader } from './header-list.ts';
import { isLoopbackName } from './network-access.ts';

/** What a server says of an error in `detail` (RFC 9457). */
export function problemDetail(response: HttpResponse | undefined): string | undefined {
  const type = getHeader(response?.headers ?? [], 'Content-Type') ?? '';
  if (!/^application\/problem\+json\b/i.test(type)) return undefined;
  try {
    const { detail } = JSON.parse(response?.body ?? '') as { detail?: unknown };
    return typeof detail === 'string' ? detail : undefined;
  } catch {
    return undefined;
  }
}

const TELLING_DETAIL =
  /^There is nothing at this path|^This path answers [A-Z]|\bCORS_ORIGINS\b|\bALLOWED_HOSTS\b/;

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
  'Start the server with these variables. Keep entries that the list already has, separated by commas. ' +
  'If the class has its own `static cors`, change that instead.';

/** What to write where it is; undefined where that is nothing. */
export function templateLines(changes: readonly Change[]): { variables: string[]; code: string[] } | undefined {
  const variables = [...new Set(changes.flatMap(({ variable = [] }) => variable))];
  const code = [...new Set(changes.flatMap(({ code = [] }) => code))];
  return variables.length + code.length > 0 ? { variables, code } : undefined;
}

/** How this template allows an origin; without a list where no list can. */
export function templateOrigin(origin: string, isWithCookies: boolean): Partial<Change> {
  if (origin === 'null') {
    return {
      text:
        'This page has no origin that a server could recognise (a local file, or a sandboxed frame: Origin: null). ' +
        'Serve it from a web server, such as http://localhost:5173, and allow that origin. ' +
        'If any page may read the answer without cookies, "Access-Control-Allow-Origin: *" allows this one too.',
    };
  }
  if (!/^https?:/.test(origin)) return { code: `origins: (origin) => origin === '${origin}' in the cors options` };
  if (isWithCookies && origin.startsWith('http:') && !isLoopbackName(new URL(origin).hostname)) {
    return {
      variable: `CORS_ORIGINS=${origin.replace('http:', 'https:')}`,
      code: 'serve the page over https, because with cookies this template allows no http: page of another machine',
    };
  }
  return { variable: `CORS_ORIGINS=${origin}` };
}
