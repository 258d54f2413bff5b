/** The exchanges and their outcome in sentences, shared by `cors:explain` and the playground. */

import type { Exchange, PageRequest, Verdict } from './browser-model.ts';
import { isProxyError } from './proxy-error.ts';
import { isTemplateResponse } from './template.ts';

/** Shown with a request that includes credentials. */
export const ITS_COOKIES = "(and the browser's cookies for this address)";

/** Describes one exchange in a sentence. */
export function sentenceOf({ kind, why, request }: Exchange): string {
  return kind === 'preflight'
    ? `The browser asks the server for permission first (a "preflight"), because ${why}.`
    : `The browser sends the ${request.method} request: ${why}.`;
}

/** Describes the outcome in a few sentences. */
export function outcomeOf(page: PageRequest, verdict: Verdict): string {
  const { allowed, asks, tolerated } = verdict;
  const outcome = serverOutcome(page, verdict);
  if (!allowed) return outcome;
  const ifAllowed = `If the user allows it, ${outcome.charAt(0).toLowerCase()}${outcome.slice(1)}`;
  return [
    ...(tolerated ? [tolerated.detail] : []),
    ...(asks ? [asks.detail, ifAllowed] : [outcome]),
  ].join(' ');
}

/** Returns the label of an outcome, or undefined if it depends on a request that was not sent. */
export function labelOf({ allowed, exchanges, asks, tolerated, blocked }: Verdict): string | undefined {
  if (blocked?.reason === 'network-error') return 'NO RESPONSE';
  if (!allowed) return 'BLOCKED';
  if (exchanges.length === 0) return undefined;
  return asks ? 'ASKS FIRST' : tolerated ? 'ALLOWED FOR NOW' : 'ALLOWED';
}

const MAX_STEPS = 8;

/** Returns the numbered steps to show. Of a long redirect chain, these are the first three and the last. */
export function stepsOf(exchanges: readonly Exchange[]): { number: number; exchange: Exchange; omitted: number }[] {
  const steps = exchanges.map((exchange, index) => ({ number: index + 1, exchange, omitted: 0 }));
  if (steps.length <= MAX_STEPS) return steps;
  const [last] = steps.slice(-1);
  return [...steps.slice(0, 3), { ...last!, omitted: steps.length - 4 }];
}

function serverOutcome(page: PageRequest, { allowed, exchanges, response, blocked }: Verdict): string {
  if (!allowed) {
    const last = blocked?.during === 'request' ? exchanges.at(-1)?.response : undefined;
    // This template sends such a response, for example 403 to a denied origin, without calling a handler.
    if (last === undefined || isTemplateResponse(last)) return blocked?.detail ?? '';
    return `${blocked?.detail} ${isProxyError(last) ? REACHED_PROXY : REACHED_SERVER}`;
  }
  if (response) return `The page receives the response (status ${response.status}).`;
  const method = page.method ?? 'GET';
  return exchanges.length > 0
    ? `The server allows it: a browser would now send the ${method} request.`
    : `A browser sends this ${method} request without a preflight. The response shows whether the page may read it.`;
}

const REACHED_SERVER =
  'The request did reach the server, which may have processed it; only the page cannot read the response.';
const REACHED_PROXY = 'The request reached a proxy, and perhaps not the server behind it.';

/** Returns whether a header concerns CORS or this response. The other headers would hide it. */
export function isRelevantHeader([name, value]: readonly [name: string, value: string]): boolean {
  return !HOUSEKEEPING_HEADERS.test(name) && !(/^accept$/i.test(name) && value === '*/*');
}

/** Headers that concern the connection, caches and the browser itself. */
export const HOUSEKEEPING_HEADERS = new RegExp(
  `^(?:${[
    'age', 'alt-svc', 'cache-control', 'connection', 'content-encoding', 'content-length', 'content-security-policy',
    'cross-origin-.*', 'date', 'expires', 'keep-alive', 'last-modified', 'nel', 'permissions-policy', 'referrer-policy',
    'report-to', 'reporting-endpoints', 'sec-fetch-.*', 'server', 'strict-transport-security', 'transfer-encoding',
    'via', 'x-content-type-options', 'x-frame-options', 'x-powered-by', 'x-xss-protection',
  ].join('|')})$`,
  'i',
);
