/**
 * Origins are compared byte for byte with what browsers send (HTML, "serialization of an origin"): lower case, no
 * default port, no trailing slash, Punycode. A request's Origin is never normalized, so no malformed value can become
 * an allowed one.
 */

/** Maximum length of an origin passed to a pattern or predicate, in characters. Host names have at most 253. */
const MAX_LENGTH = 300;
/** One or more whole DNS labels, which the star in `https://*.example.com` stands for. */
const LABELS = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
const PORT = /^:[1-9][0-9]{0,4}$/;
/** One origin of any scheme. Apps have schemes of their own, and may use capitals or no host. */
const SERIALISED = /^[a-z][a-z0-9+.-]*:\/\/(?:[a-z0-9._~%+-]*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?$/i;

/** Returns whether an Origin header is a single serialized origin, not `null`, a list, or a URL with a path. */
export function isSerialisedOrigin(origin: string): boolean {
  return origin.length <= MAX_LENGTH && SERIALISED.test(origin);
}

/** Returns a test for the origins in a valid list. */
export function originMatcher(entries: readonly string[]): (origin: string) => boolean {
  const exact = new Set(entries.filter((entry) => !entry.includes('*')));
  const patterns = entries.filter((entry) => entry.includes('*')).map(patternMatcher);
  return (origin) => exact.has(origin) || patterns.some((matches) => matches(origin));
}

/** Returns a test for the origins that match `https://*.example.com` or `http://localhost:*`. */
function patternMatcher(pattern: string): (origin: string) => boolean {
  const isForAnyPort = pattern.endsWith(':*');
  const [prefix, suffix] = pattern.split(isForAnyPort ? ':*' : '*') as [string, string];
  const fitsStar = isForAnyPort ? isOptionalPort : (text: string) => LABELS.test(text);
  return (origin) =>
    origin.length <= MAX_LENGTH &&
    origin.startsWith(prefix) &&
    origin.endsWith(suffix) &&
    fitsStar(origin.slice(prefix.length, origin.length - suffix.length));
}

function isOptionalPort(text: string): boolean {
  return text === '' || (PORT.test(text) && Number(text.slice(1)) <= 65_535);
}
