/**
 * What the browser's verdict means for someone who wants the page to work: the texts that the command
 * `cors:explain` and the playground share. Like the model, it runs in browsers as well as in Node.
 */

import { type PageRequest, type PerformHttp, type Verdict, fetchAsPage } from './browser-model.ts';
import type { Change, Repair } from './change.ts';
import { EXPOSED, HEADERS, METHODS, ORIGIN, headerOf, listOf, repair, repairAddress } from './repairs.ts';
import { HOUSEKEEPING } from './sentences.ts';

/** More than any answer lacks: a repair that fixes nothing must not be tried forever. */
const MOST_REPAIRS = 50;

/**
 * All that stands in the way. A browser names the first fault only; here it is repaired on paper, and the same answers
 * are judged again, until the page would get what it asked for or the answers say no more.
 *
 * @param performHttp asks the server which methods the path has, where one is not allowed
 */
export async function changesFor(page: PageRequest, verdict: Verdict, performHttp: PerformHttp): Promise<Change[]> {
  const answers = verdict.exchanges.map(({ response }) => response);
  let repairs: Repair[] = [];
  let asked = page;
  let { blocked, exchanges } = verdict;
  for (let round = 0; round < MOST_REPAIRS; round++) {
    if (!blocked || blocked.reason === 'network-error' || exchanges.length > answers.length) break;
    const exchange = exchanges.at(-1);
    let next = repair(blocked, asked, exchange);
    if (blocked.reason === 'method-not-allowed' && exchange) {
      next = await narrowedMethod(next, blocked.name ?? '', exchange.request.url, performHttp);
    }
    if (next.isAlone) repairs = [];
    if (next.list !== undefined && repairs.some(({ list }) => list === next.list)) {
      repairs = repairs.filter(({ list }) => list !== next.list);
      next = { ...next, text: `${next.text} Separate the names by commas, and write nothing else.` };
    }
    repairs.push(next);
    asked = next.page ?? asked;
    if (next.response) answers[exchanges.length - 1] = next.response;
    else if (!next.page) break;
    const rest = answers.values();
    const replay = async () => rest.next().value ?? Promise.reject(new Error('No answer was recorded'));
    ({ blocked, exchanges } = await fetchAsPage(asked, replay));
  }
  return repairs.map(({ text, variable, code }) => ({ text, ...(variable && { variable }), ...(code && { code }) }));
}

/** A method that the path has, and only the setting leaves out, is not to be implemented once more. */
async function narrowedMethod(change: Repair, method: string, url: string, performHttp: PerformHttp): Promise<Repair> {
  if (change.list !== METHODS) return change;
  const answer = await performHttp({ method: 'OPTIONS', url, headers: [], credentials: false }).catch(() => undefined);
  if (!listOf(answer, 'Allow').includes(method)) return change;
  return {
    ...change,
    text: `${change.text} The path itself supports ${method} (see its Allow header): only the CORS setting omits it.`,
    code: `add '${method}' to methods in the cors options of this path or of the server`,
  };
}

/** What is worth knowing beside the verdict: what helps where the browser asks, and what may fail one day. */
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
  const { method = 'GET' } = page;
  const varies = listOf(response, 'Vary').map((name) => name.toLowerCase());
  if (
    allowed && /^(?:GET|HEAD)$/.test(method) && page.origin !== 'null' && headerOf(response, ORIGIN) === page.origin &&
    !varies.includes('origin') && !varies.includes('*')
  ) {
    remarks.push({
      text:
        `Send "Vary: Origin" with every answer, unless it names ${page.origin} for every page. Without it, ` +
        'a cache may give this answer to a page of another origin, and the browser then blocks it.',
    });
  }
  return remarks;
}

/** Response headers that are there, but not for the page: `Set-Cookie` apart, which is for no page at all. */
export function hiddenHeaders({ response, readableHeaders = [] }: Verdict): string[] {
  const names = new Set((response?.headers ?? []).map(([name]) => name.toLowerCase()));
  return [...names].filter((name) => !readableHeaders.includes(name) && !/^set-cookie2?$/.test(name)).sort();
}

/** How to let the page read those of the hidden headers that it could want; undefined where there is none. */
export function exposure(page: PageRequest, verdict: Verdict): Change | undefined {
  const names = hiddenHeaders(verdict)
    .filter((name) => !HOUSEKEEPING.test(name) && !/^(?:access-control-.*|vary)$/.test(name));
  if (names.length === 0) return undefined;
  const exposed = listOf(verdict.response, EXPOSED);
  const all = [...exposed.filter((name) => name !== '*'), ...names];
  const isVain = exposed.includes('*') && page.credentials === 'include';
  const why = isVain ? ' For requests with credentials, "*" exposes nothing.' : '';
  return {
    text: `To let the page read ${names.join(', ')}, send "${EXPOSED}: ${all.join(', ')}".${why}`,
    variable: `CORS_EXPOSED_HEADERS=${all.join(',')}`,
  };
}
