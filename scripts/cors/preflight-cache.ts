/** The CORS-preflight cache of the Fetch standard: what a browser remembers of preflights that passed. */

/** The longest that a preflight is remembered, in seconds: the "imposed limit" of Chromium. Firefox has 86400. */
const MAXIMUM_AGE = 7200;

/** How long it is remembered where the server does not say so, in seconds. */
const USUAL_AGE = 5;

export interface CacheKey {
  readonly origin: string;
  readonly url: string;
  readonly credentials: boolean;
}

interface CacheEntry extends CacheKey {
  readonly kind: 'method' | 'header';
  readonly name: string;
  expires: number;
}

/** What a browser remembers of preflights that passed. Share one between calls of `fetchAsPage`. */
export class PreflightCache {
  readonly #now: () => number;
  #entries: CacheEntry[] = [];

  /** `now` is a clock in milliseconds. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** "Method cache entry match" and "header-name cache entry match". */
  has(key: CacheKey, kind: CacheEntry['kind'], name: string): boolean {
    return this.#find(key, kind, name) !== undefined;
  }

  /** `maxAge` in seconds. */
  store(key: CacheKey, kind: CacheEntry['kind'], names: readonly string[], maxAge: number): void {
    const now = this.#now();
    const expires = now + maxAge * 1000;
    for (const name of names) {
      const entry = this.#find(key, kind, name);
      if (entry === undefined) this.#entries.push({ ...key, kind, name, expires });
      else entry.expires = expires;
    }
    this.#entries = this.#entries.filter((entry) => entry.expires > now);
  }

  /** "Clear cache entries". */
  clear({ origin, url }: CacheKey): void {
    this.#entries = this.#entries.filter((entry) => entry.origin !== origin || entry.url !== url);
  }

  /** What was allowed with credentials holds without them, too, but there `*` is not a wildcard. */
  #find(key: CacheKey, kind: CacheEntry['kind'], name: string): CacheEntry | undefined {
    const now = this.#now();
    return this.#entries.find((entry) =>
      entry.expires > now && entry.origin === key.origin && entry.url === key.url &&
      (entry.credentials || !key.credentials) && entry.kind === kind &&
      (entry.name === name ||
        (entry.name === '*' && !entry.credentials && (kind === 'method' || name !== 'authorization'))));
  }
}

/** How long an answer wants to be remembered, in seconds: less than 0 is not at all, as in both browsers. */
export function maxAgeOf(value: string | undefined): number {
  if (!/^-?\d+$/.test(value ?? '')) return USUAL_AGE;
  return Math.max(0, Math.min(Number(value), MAXIMUM_AGE));
}
