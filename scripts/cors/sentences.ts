/** What happened, in words: the dialogue and its outcome, as the command and the playground tell it. */

import type { Exchange, PageRequest, Verdict } from './browser-model.ts';
import { isTemplateAnswer } from './template.ts';

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
    const last = exchanges.at(-1)?.response;
    // What this template answers by itself, such as a 403 to a refused origin, no handler has seen.
    const arrived = blocked?.during === 'request' && last !== undefined && !isTemplateAnswer(last);
    return `${blocked?.detail ?? ''}${arrived ? ARRIVED : ''}`;
  }
  if (response) return `The page gets the answer (status ${response.status}).`;
  const method = page.method ?? 'GET';
  return exchanges.length > 0
    ? `The server permits it: a browser would now send the ${method} request.`
    : `A browser sends this ${method} request without asking first. The answer shows whether the page may read it.`;
}

const ARRIVED = ' The request did reach the server, which may have acted on it; the page just cannot read the answer.';

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
