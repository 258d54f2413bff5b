/** Advice for servers that are built from this template, and how to recognise one. */

import type { HttpResponse, PerformHttp, Verdict } from './browser-model.ts';
import type { Change } from './change.ts';
import { getHeader } from './header-list.ts';
import { isLoopbackName } from './network-access.ts';

/** The members of a problem (RFC 9457) that these tools read. */
interface Problem {
  detail?: unknown;
  code?: unknown;
}

/** The codes of the problems that this template responds with by itself. */
const TEMPLATE_CODES: readonly unknown[] = [
  'NO_ROUTE', 'METHOD_NOT_ALLOWED', 'ORIGIN_NOT_ALLOWED', 'HOST_NOT_ALLOWED',
];

/** Returns the `detail` of a problem response (RFC 9457). */
export function problemDetail(response: HttpResponse | undefined): string | undefined {
  const { detail } = problemOf(response);
  return typeof detail === 'string' ? detail : undefined;
}

/** Returns whether this template sent the response by itself, without calling a handler. */
export function isTemplateResponse(response: HttpResponse | undefined): boolean {
  return TEMPLATE_CODES.includes(problemOf(response).code);
}

/** Recognises a server built from this template by its responses, or else by its 404 for an unknown path. */
export async function isTemplate({ exchanges }: Verdict, performHttp: PerformHttp): Promise<boolean> {
  if (exchanges.some(({ response }) => isTemplateResponse(response))) return true;
  const last = exchanges.at(-1);
  if (!last?.response) return false;
  try {
    const url = new URL('/cors-explain/unknown-path', last.request.url).href;
    return isTemplateResponse(await performHttp({ method: 'GET', url, headers: [], credentials: false }));
  } catch {
    return false;
  }
}

export const HOW_TO_SET =
  'Start the server with these variables. Keep the entries that a list already has, separated by commas. ' +
  'If the class has its own `static cors`, change that instead.';

/** Returns the variables to set and the code to change, or undefined without any. */
export function templateLines(changes: readonly Change[]): { variables: string[]; code: string[] } | undefined {
  const variables = [...new Set(changes.flatMap(({ variable = [] }) => variable))];
  const code = [...new Set(changes.flatMap(({ code = [] }) => code))];
  return variables.length + code.length > 0 ? { variables, code } : undefined;
}

/** Returns how to allow an origin in this template. An opaque origin cannot be allowed by name. */
export function templateOrigin(origin: string, options: { withCookies: boolean }): Partial<Change> {
  if (origin === 'null') {
    return {
      text:
        'This page has an opaque origin (a local file or a sandboxed frame sends Origin: null), which no server can ' +
        'recognise. Serve the page from a web server, such as http://localhost:5173, and allow that origin. ' +
        'If any page may read the response without cookies, "Access-Control-Allow-Origin: *" allows this page too.',
    };
  }
  if (options.withCookies && origin.startsWith('http:') && !isLoopbackName(new URL(origin).hostname)) {
    return {
      variable: `CORS_ORIGINS=${origin.replace('http:', 'https:')}`,
      code: 'serve the page over https:, because with cookies this template allows no http: page of another machine',
    };
  }
  return { variable: `CORS_ORIGINS=${origin}` };
}

function problemOf(response: HttpResponse | undefined): Problem {
  const type = getHeader(response?.headers ?? [], 'Content-Type') ?? '';
  if (!/^application\/problem\+json\b/i.test(type)) return {};
  try {
    return Object(JSON.parse(response?.body ?? '')) as Problem;
  } catch {
    return {};
  }
}
