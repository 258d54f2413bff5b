/**
 * Which cookies browsers return to an API of another site. The rules are those that Chromium 156 and Firefox 153 were
 * observed to follow, with third-party cookies allowed and blocked.
 */

import type { PageRequest, Verdict } from './browser-model.ts';
import { isLoopbackName } from './network-access.ts';
import { isSameSite } from './site.ts';

const NEEDED_ATTRIBUTES = ['samesite=none', 'secure', 'partitioned'];

/** Returns what the cookies of this request need, or undefined if it needs no cookies of another site. */
export function adviceOnCookies(page: PageRequest, { exchanges }: Verdict): string | undefined {
  if (page.credentials !== 'include' || !/^https?:/.test(page.origin)) return undefined;
  const address = exchanges.at(-1)?.request.url ?? page.url;
  if (!URL.canParse(address)) return undefined;
  const [api, site] = [new URL(address), new URL(page.origin)];
  if (isSameSite(site, api)) return undefined;

  const cookies = exchanges
    .flatMap(({ response }) => response?.headers ?? [])
    .filter(([name]) => name.toLowerCase() === 'set-cookie');
  if (cookies.length > 0 && cookies.every(([, value]) => hasNeededAttributes(value))) return undefined;

  const attributes = 'with "SameSite=None; Secure; Partitioned"';
  const differ = `${site.origin} and ${api.origin} are different sites`;
  if (api.protocol === 'http:' && !isLoopbackName(api.hostname)) {
    return (
      `${differ}, and Chrome returns no cookies to an http: address of another site. Serve the API over https:, and ` +
      `set the cookies ${attributes}.`
    );
  }
  const advice =
    `${differ}, so browsers return only cookies that were set ${attributes}. Without Partitioned, a browser that ` +
    'blocks third-party cookies ignores them.';
  if (!isLoopbackName(api.hostname) || !isLoopbackName(site.hostname)) return advice;
  site.protocol = api.protocol;
  site.hostname = api.hostname;
  return `${advice} Or open the page on ${site.origin}, the same site as the API, and allow that origin.`;
}

function hasNeededAttributes(cookie: string): boolean {
  const attributes = cookie.toLowerCase().split(';').map((attribute) => attribute.trim().replace(/\s*=\s*/, '='));
  return NEEDED_ATTRIBUTES.every((needed) => attributes.slice(1).includes(needed));
}
