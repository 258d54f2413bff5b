/** The CORS-preflight cache of the Fetch standard. */

/** The "imposed limit" of Chromium. Firefox has 86400. */
const MAX_AGE_SECONDS = 7200;

/** The age without Access-Control-Max-Age, or with an invalid one. */
const DEFAULT_AGE_SECONDS = 5;

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

/** The preflights that passed. Pass the same cache to several calls of `fetchAsPage`. */
export class PreflightCache {
  readonly #now: () => number;
  #entries: CacheEntry[] = [];

  /** @param now a clock in milliseconds */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Implements "method cache entry match" and "header-name cache entry match". */
  has(key: CacheKey, kind: CacheEntry['kind'], name: string): boolean {
    return this.#find(key, kind, name) !== undefined;
  }

  store(key: CacheKey, kind: CacheEntry['kind'], names: readonly string[], maxAgeSeconds: number): void {
    const now = this.#now();
    const expires = now + maxAgeSeconds * 1000;
    for (const name of names) {
      const entry = this.#find(key, kind, name);
      if (entry === undefined) this.#entries.push({ ...key, kind, name, expires });
      else entry.expires = expires;
    }
    this.#entries = this.#entries.filter((entry) => entry.expires > now);
  }

  /** Implements "clear cache entries". */
  clear({ origin, url }: CacheKey): void {
    this.#entries = this.#entries.filter((entry) => entry.origin !== origin || entry.url !== url);
  }

  /** Finds a matching entry. One with credentials also covers requests without, but its `*` is not a wildcard. */
  #find(key: CacheKey, kind: CacheEntry['kind'], name: string): CacheEntry | undefined {
    const now = this.#now();
    return this.#entries.find((entry) =>
      entry.expires > now && entry.origin === key.origin && entry.url === key.url &&
      (entry.credentials || !key.credentials) && entry.kind === kind &&
      (entry.name === name ||
        (entry.name === '*' && !entry.credentials && (kind === 'method' || name !== 'authorization'))));
  }
}

/** Returns for how many seconds a preflight is cached. A negative age counts as 0, as in Chromium and Firefox. */
export function maxAgeOf(value: string | undefined): number {
  if (!/^-?\d+$/.test(value ?? '')) return DEFAULT_AGE_SECONDS;
  return Math.max(0, Math.min(Number(value), MAX_AGE_SECONDS));
}
