/**
 * Approximates "same site" of HTML. The registrable domain is the last two labels, even for `co.uk`. Firefox ignores
 * the scheme when it decides about cookies, but Chromium and the standard do not.
 */
export function isSameSite(one: URL, other: URL): boolean {
  return siteOf(one) === siteOf(other);
}

function siteOf({ hostname, protocol }: URL): string {
  const isAddress = /^[\d.]+$|^\[/.test(hostname);
  return `${protocol}//${isAddress ? hostname : hostname.split('.').slice(-2).join('.')}`;
}
