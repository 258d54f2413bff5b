/** Advice on how to fix a blocked request. `cors:explain` and the playground share it, so it also runs in browsers. */

import { type PageRequest, type PerformHttp, type Verdict, fetchAsPage } from './browser-model.ts';
import type { Change, Repair } from './change.ts';
import { adviceOnCookies } from './cookies.ts';
import { EXPOSED, HEADERS, METHODS, ORIGIN, headerOf, listOf, repair, repairAddress } from './repairs.ts';
import { HOUSEKEEPING_HEADERS } from './sentences.ts';

/** Upper bound on repairs, in case a repair has no effect. */
const MAX_REPAIRS = 50;

/**
 * Returns everything that must change. A browser reports only the first error. This function repairs each error in the
 * recorded responses and checks them again, until the request succeeds or the responses say no more.
 *
 * @param performHttp asks the server which methods a path supports, if one is not allowed
 */
export async function changesFor(page: PageRequest, verdict: Verdict, performHttp: PerformHttp): Promise<Change[]> {
  const responses = verdict.exchanges.map(({ response }) => response);
  let repairs: Repair[] = [];
  let asked = page;
  let { blocked, exchanges } = verdict;
  for (let round = 0; round < MAX_REPAIRS; round++) {
    if (!blocked || blocked.reason === 'network-error' || exchanges.length > responses.length) break;
    const exchange = exchanges.at(-1);
    let next = repair(blocked, asked, exchange);
    if (blocked.reason === 'method-not-allowed' && exchange) {
      next = await repairOfNarrowedMethod(next, blocked.name ?? '', exchange.request.url, performHttp);
    }
    if (next.replacesEarlier) repairs = [];
    if (next.list !== undefined && repairs.some(({ list }) => list === next.list)) {
      repairs = repairs.filter(({ list }) => list !== next.list);
      next = { ...next, text: `${next.text} Separate the names by commas, and write nothing else.` };
    }
    repairs.push(next);
    asked = next.page ?? asked;
    if (next.response) responses[exchanges.length - 1] = next.response;
    else if (!next.page) break;
    const remaining = responses.values();
    const replay = async () => remaining.next().value ?? Promise.reject(new Error('No response was recorded'));
    ({ blocked, exchanges } = await fetchAsPage(asked, replay));
  }
  return repairs.map(({ text, variable, code }) => ({ text, ...(variable && { variable }), ...(code && { code }) }));
}

/** Suggests only the CORS setting if the path already implements the method. */
async function repairOfNarrowedMethod(
  change: Repair, method: string, url: string, performHttp: PerformHttp,
): Promise<Repair> {
  if (change.list !== METHODS) return change;
  const options = { method: 'OPTIONS', url, headers: [], credentials: false };
  const response = await performHttp(options).catch(() => undefined);
  if (!listOf(response, 'Allow').includes(method)) return change;
  return {
    ...change,
    text: `${change.text} The path itself supports ${method} (see its Allow header): only the CORS setting omits it.`,
    code: `add '${method}' to methods in the cors options of this path or of the server`,
  };
}

/** Returns remarks beside the verdict on permission prompts, cookies, caches, and what may break one day. */
export function remarksOn(page: PageRequest, verdict: Verdict): Change[] {
  const { asks, tolerated, exchanges, allowed, response } = verdict;
  const remarks: Change[] = [];
  if (asks) remarks.push({ text: `${allowed ? '' : `${asks.detail} `}${repairAddress('asks', asks.url)}` });
  if (tolerated) {
    const preflight = exchanges.findLast(({ kind }) => kind === 'preflight')?.response;
    const list = [...listOf(preflight, HEADERS), tolerated.name];
    remarks.push({
      text:
        `List ${tolerated.name} by name, before browsers follow the standard: ` +
        `"${HEADERS}: ${list.join(', ')}".`,
    });
  }
  const cookies = adviceOnCookies(page, verdict);
  if (cookies) remarks.push({ text: cookies });
  const { method = 'GET' } = page;
  const varies = listOf(response, 'Vary').map((name) => name.toLowerCase());
  if (
    allowed && /^(?:GET|HEAD)$/.test(method) && page.origin !== 'null' && headerOf(response, ORIGIN) === page.origin &&
    !varies.includes('origin') && !varies.includes('*')
  ) {
    remarks.push({
      text:
        `Send "Vary: Origin" with every response, unless ${ORIGIN} is ${page.origin} for every page. Without Vary, ` +
        'a cache may give this response to a page of another origin, and the browser then blocks it.',
    });
  }
  return remarks;
}

/** Returns the response headers that the page cannot read, except Set-Cookie, which no page can read. */
export function hiddenHeaders({ response, readableHeaders = [] }: Verdict): string[] {
  const names = new Set((response?.headers ?? []).map(([name]) => name.toLowerCase()));
  return [...names].filter((name) => !readableHeaders.includes(name) && !/^set-cookie2?$/.test(name)).sort();
}

/** Suggests exposing the hidden headers that a page could need, or returns undefined without such headers. */
export function exposure(page: PageRequest, verdict: Verdict): Change | undefined {
  const ofProtocol = /^(?:accept|access-control-.*|allow|vary|www-authenticate)$/;
  const names = hiddenHeaders(verdict).filter((name) => !HOUSEKEEPING_HEADERS.test(name) && !ofProtocol.test(name));
  if (names.length === 0) return undefined;
  const exposed = listOf(verdict.response, EXPOSED);
  const all = [...exposed.filter((name) => name !== '*'), ...names];
  const hasUselessWildcard = exposed.includes('*') && page.credentials === 'include';
  const why = hasUselessWildcard ? ' For requests with credentials, "*" exposes nothing.' : '';
  return {
    text: `To let the page read ${names.join(', ')}, send "${EXPOSED}: ${all.join(', ')}".${why}`,
    variable: `CORS_EXPOSED_HEADERS=${all.join(',')}`,
  };
}
