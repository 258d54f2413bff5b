/** What happened, in words: the dialogue and its outcome, as the command and the playground tell it. */

import type { Exchange, HttpResponse, PageRequest, Verdict } from './browser-model.ts';
import { getHeader } from './header-list.ts';

/** A step of the dialogue, in a sentence. */
export function sentenceOf({ kind, why, request }: Exchange): string {
  return kind === 'preflight'
    ? `The browser asks the server for permission first (a "preflight"), because ${why}.`
    : `The browser sends the ${request.method} request: ${why}.`;
}

/** The outcome, in a few sentences. */
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

/** A sign for each outcome; `undefined` where only a request that was not sent would show it. */
export function labelOf({ allowed, exchanges, asks, tolerated, blocked }: Verdict): string | undefined {
  if (blocked?.reason === 'network-error') return 'NO ANSWER';
  if (!allowed) return 'BLOCKED';
  if (exchanges.length === 0) return undefined;
  return asks ? 'ASKS FIRST' : tolerated ? 'ALLOWED FOR NOW' : 'ALLOWED';
}

/** At most so many steps of a dialogue are shown. */
const ENOUGH_STEPS = 8;

/** The steps to show, each with its number: of many redirects the first and the last, and how many are left out. */
export function stepsOf(exchanges: readonly Exchange[]): { number: number; exchange: Exchange; leftOut: number }[] {
  const steps = exchanges.map((exchange, index) => ({ number: index + 1, exchange, leftOut: 0 }));
  if (steps.length <= ENOUGH_STEPS) return steps;
  const [last] = steps.slice(-1);
  return [...steps.slice(0, 3), { ...last!, leftOut: steps.length - 4 }];
}

function serverOutcome(page: PageRequest, { allowed, exchanges, response, blocked }: Verdict): string {
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

const ARRIVED = ' The request did reach the server, which may have acted on it; the page just cannot read the answer.';

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

/** Headers that say something about CORS, or about this answer alone; the rest would drown them. */
export function isTelling([name, value]: readonly [name: string, value: string]): boolean {
  return !HOUSEKEEPING.test(name) && !(/^accept$/i.test(name) && value === '*/*');
}

/** Headers that concern the connection, caches and the browser itself. */
export const HOUSEKEEPING = new RegExp(
  `^(?:${[
    'age', 'alt-svc', 'cache-control', 'connection', 'content-encoding', 'content-length', 'content-security-policy',
    'cross-origin-.*', 'date', 'expires', 'keep-alive', 'last-modified', 'nel', 'permissions-policy', 'referrer-policy',
    'report-to', 'reporting-endpoints', 'sec-fetch-.*', 'server', 'strict-transport-security', 'transfer-encoding',
    'via', 'x-content-type-options', 'x-frame-options', 'x-powered-by', 'x-xss-protection',
  ].join('|')})$`,
  'i',
);
