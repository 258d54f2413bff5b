/** The result of a case, and the known differences of browsers from the model. */

import type { Browser } from '../../cors/launch-browser.ts';
import type { Case } from './differential-cases.ts';

/** The result of one fetch for the page. */
export type Seen = 'blocked' | { status: number; headers: string[] };

export interface Run {
  seen: Seen[];
  /** The requests to the server. A preflight is `OPTIONS 0 from http://localhost:1 for PUT with x-a`. */
  asked: string[];
}

/** A known deviation of a browser from the standard, which the model follows. */
export interface Known {
  browser: Browser;
  why: string;
  isMeant(model: Run, browser: Run, one: Case): boolean;
}

export const KNOWN: readonly Known[] = [
  {
    browser: 'chromium',
    why: 'it caches a preflight even if the request after it failed',
    isMeant: (model, browser) =>
      isSame({ ...model, asked: requests(model) }, { ...browser, asked: requests(browser) }) &&
      preflights(browser).length < preflights(model).length && model.seen.includes('blocked'),
  },
  {
    browser: 'chromium',
    why: 'it follows no redirect to a URL with a password, not even within the origin of the page',
    isMeant: (_model, browser, { stops }) =>
      browser.seen.includes('blocked') && /:\/\/me:pw@/.test(JSON.stringify(stops)),
  },
  {
    browser: 'firefox',
    why: 'after a redirect between two other origins, its preflight names the origin of the page instead of null',
    isMeant: (model, browser) =>
      preflights(model).some((line) => {
        const [asked, others] = line.split(' from null for ');
        return others !== undefined && browser.asked.some((real) =>
          real.startsWith(`${asked} from http`) && real.endsWith(` for ${others}`));
      }),
  },
  {
    browser: 'firefox',
    why: 'it sends another preflight if * was cached, or if a redirect removed the reason for the preflight',
    isMeant: (model, browser) => {
      const [modelled, real] = [requests(model), requests(browser)];
      const isStopped = browser.seen.includes('blocked') || isSame({ ...model, asked: [] }, { ...browser, asked: [] });
      return isStopped && preflights(browser).some((line) => isMore(line, browser, model)) &&
        real.every((line) => modelled.includes(line));
    },
  },
  {
    browser: 'firefox',
    why: 'it sends the Content-Type of a POST again, one redirect after the one that changed it to a GET',
    isMeant: (model, browser) => isSame(withoutType(model), withoutType(browser)),
  },
];

/** Headers of the connection, of which a page sees some and the model all. */
const OF_THE_CONNECTION = /^(?:connection|date|keep-alive|transfer-encoding|content-length)$/;

export function isSame(one: Run, other: Run): boolean {
  const comparable = ({ seen, asked }: Run) => JSON.stringify([
    seen.map((each) => {
      return each === 'blocked' ? each : [each.status, each.headers.filter((name) => !OF_THE_CONNECTION.test(name))];
    }),
    asked,
  ]);
  return comparable(one) === comparable(other);
}

function preflights({ asked }: Run): string[] {
  return asked.filter((line) => / for /.test(line));
}

function requests({ asked }: Run): string[] {
  return asked.filter((line) => !/ for /.test(line));
}

function withoutType(run: Run): Run {
  return { ...run, asked: run.asked.map((line) => line.replace(/^(GET .*?) (?:text|application)\/.*/, '$1')) };
}

/** Returns whether one run sent this request more often than the other. */
function isMore(line: string, one: Run, other: Run): boolean {
  const times = ({ asked }: Run) => asked.filter((each) => each === line).length;
  return times(one) > times(other);
}
