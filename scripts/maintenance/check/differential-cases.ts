/** Generates random requests of a page and plausible responses of a server, some of them invalid. */

import type { HttpResponse, PageRequest } from '../../cors/browser-model.ts';

export interface Origins {
  page: string;
  /** One with another port, and one with another host. */
  apis: readonly string[];
}

/** The responses of one URL to a preflight and to the actual request. */
export interface Stop {
  preflight: HttpResponse;
  actual: HttpResponse;
}

export interface Case {
  page: Omit<PageRequest, 'origin' | 'url'> & { method: string };
  /** The origin of the first URL, and the responses of each URL on the way. */
  origin: string;
  stops: Stop[];
  /** The same request again shows how the browser caches the preflight. */
  times: 1 | 2;
}

/** Stands in a response for the next URL. Each runner of a case has URLs of its own. */
export const NEXT = '{next}';

const METHODS = ['GET', 'GET', 'HEAD', 'POST', 'PUT', 'put', 'DELETE', 'PATCH', 'OPTIONS', 'QUERY'];
const REQUEST_HEADERS: readonly [name: string, value: string][] = [
  ['X-A', '1'], ['x-b', '2'], ['Authorization', 'Bearer x'], ['Content-Type', 'application/json'],
  ['Content-Type', 'text/plain'], ['content-type', 'text/plain; charset="x"'], ['Accept', 'text/html'],
  ['Accept', '"x"'], ['Accept-Language', 'de'], ['Accept-Language', 'de_AT'], ['Range', 'bytes=0-5'],
  ['Range', 'bytes=9007199254740993-9007199254740992'], ['Cache-Control', 'no-cache'],
  ['X-HTTP-Method-Override', 'PUT'], ['X-HTTP-Method-Override', 'PUT, TRACE'],
];
const STATUSES = [200, 200, 200, 200, 201, 204, 400, 403, 404, 500, 503];
const REDIRECTS = [301, 302, 303, 307, 308];
const METHOD_LISTS = [
  '*', 'PUT', 'put', 'GET, PUT, DELETE, PATCH, QUERY, OPTIONS', 'patch', 'PUT DELETE', ',PUT,,', '',
];
const HEADER_LISTS = [
  '*', 'x-a', 'X-A, X-B, Authorization, Content-Type, Accept, Accept-Language, Range, Cache-Control',
  'x-a,x-b,content-type', 'authorization', '*, authorization', 'x-a x-b', ',', '"x-a"',
];
const EXPOSED_LISTS = ['*', 'X-One', 'x-one, X-Two', 'x-one x-two', 'Set-Cookie, X-Two'];
const MAX_AGES = ['0', '60', '-1', '60s', '99999', ''];

/** Returns the case of this number, which is the same for the same seed. */
export function caseOf(seed: number, number: number, origins: Origins): Case {
  const random = numbers(seed + number * 7919);
  const among = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const chance = (probability: number) => random() < probability;

  const credentials = among(['omit', 'same-origin', 'include'] as const);
  const method = among(METHODS);
  const [one, other] = [among(REQUEST_HEADERS), among(REQUEST_HEADERS)];
  const isTwice = one[0].toLowerCase() === other[0].toLowerCase();
  const headers = (isTwice ? [one] : [one, other]).slice(0, among([0, 1, 1, 2]));
  const body = !/^(?:GET|HEAD)$/.test(method) && chance(0.4) ? 'hello' : undefined;

  const corsHeaders = (): [string, string][] => {
    const lines: [string, string][] = [];
    const { page, apis } = origins;
    const origin = chance(0.7) ? (credentials === 'include' ? page : among([page, '*']))
      : among([undefined, '*', 'null', `${page}/`, page.toUpperCase(), apis[0], ` ${page} `]);
    if (origin !== undefined) lines.push(['Access-Control-Allow-Origin', origin]);
    if (origin !== undefined && chance(0.03)) lines.push(['Access-Control-Allow-Origin', origin]);
    const flag = chance(0.8) ? 'true' : among([undefined, 'TRUE', 'false', 'true, true']);
    if (flag !== undefined) lines.push(['Access-Control-Allow-Credentials', flag]);
    return lines;
  };
  const line = (probability: number, name: string, values: readonly string[]): [string, string][] =>
    chance(probability) ? [[name, among(values)]] : [];

  const preflight = (): HttpResponse => ({
    status: chance(0.9) ? among([200, 204]) : among([...STATUSES, ...REDIRECTS]),
    headers: [
      ...corsHeaders(),
      ...line(0.8, 'Access-Control-Allow-Methods', METHOD_LISTS),
      ...line(0.8, 'Access-Control-Allow-Headers', HEADER_LISTS),
      ...line(0.5, 'Access-Control-Max-Age', MAX_AGES),
    ],
  });
  const actual = (isLast: boolean): HttpResponse => ({
    status: isLast ? among(STATUSES) : among(REDIRECTS),
    headers: [
      ...corsHeaders(),
      ...(isLast ? [] : location()),
      ['X-One', '1'], ['X-Two', '2'], ['Set-Cookie', 'a=1'], ['Cache-Control', 'no-store'],
      ...line(0.4, 'Access-Control-Expose-Headers', EXPOSED_LISTS),
    ],
  });
  const location = (): [string, string][] => {
    const target = among([...origins.apis, ...origins.apis, origins.page, '']) + NEXT;
    if (chance(0.8)) return [['Location', target]];
    return among<[string, string][]>([
      [], [['Location', target], ['Location', target]], [['Location', target], ['Location', '/elsewhere']],
      [['Location', `${NEXT}&ä=\xE4\xF6`]], [['Location', `${NEXT}#there`]], [['Location', 'https://']],
      [['Location', 'ftp://localhost/']], [['Location', `${origins.apis[0]}${NEXT}`.replace('://', '://me:pw@')]],
      [['Location', `${origins.page}${NEXT}`.replace('://', '://me:pw@')]],
    ]);
  };

  const length = among([1, 1, 1, 1, 2, 2, 3]);
  return {
    page: { method, headers, credentials, ...(body !== undefined && { body }) },
    origin: chance(0.9) ? among(origins.apis) : origins.page,
    stops: Array.from({ length }, (_, index) => ({ preflight: preflight(), actual: actual(index === length - 1) })),
    times: chance(0.3) ? 2 : 1,
  };
}

/** Returns a generator of random numbers from 0 to 1 (mulberry32), which a seed repeats. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
