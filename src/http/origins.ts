/**
 * Which origins a policy may name, and which a pattern matches. An origin is compared byte for byte with what
 * browsers send (HTML, "serialization of an origin"): lower case, no default port, no slash at the end,
 * Punycode. What a request says is never repaired first, so nothing can be repaired into a grant.
 */

/** One or more whole labels: what may stand for the star of `https://*.example.com`. */
const LABELS = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
const PORT = /^[1-9][0-9]{0,4}$/;
const SERIALISED = /^[a-z][a-z0-9+.-]*:\/\/(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?$/;
const LOOPBACK = /^http:\/\/(?:localhost|(?:[a-z0-9_-]+\.)+localhost|\*\.(?:[a-z0-9_-]+\.)+localhost|127(?:\.\d+){3}|\[::1\])(?::[\d*]+)?$/;

/** Whether a request's Origin is one origin at all: not `null`, not a list, not a URL with a path. */
export function isSerialisedOrigin(origin: string): boolean {
  return origin.length <= 300 && SERIALISED.test(origin);
}

/** The test for `https://*.example.com` or `http://localhost:*`, or undefined where `entry` is one plain origin. */
export function originPattern(entry: string): ((origin: string) => boolean) | undefined {
  if (entry.endsWith(':*')) {
    const host = entry.slice(0, -2);
    return (origin) => {
      if (!origin.startsWith(host)) return false;
      const port = origin.slice(host.length);
      return port === '' || (port[0] === ':' && PORT.test(port.slice(1)) && Number(port.slice(1)) <= 65_535);
    };
  }
  const star = entry.indexOf('*');
  if (star < 0) return undefined;
  const scheme = entry.slice(0, star);
  const domain = entry.slice(star + 1);
  return (origin) =>
    origin.length <= 300 &&
    origin.startsWith(scheme) &&
    origin.endsWith(domain) &&
    LABELS.test(origin.slice(scheme.length, -domain.length));
}

/** What is wrong with an entry of `origins`, with what to write instead; undefined where nothing is. */
export function originFault(entry: unknown, credentials: boolean): string | undefined {
  if (typeof entry !== 'string') return `${String(entry)} is not a string: write an origin such as 'https://app.example.com'`;
  if (entry === '*') return `* stands alone, not in a list: list the origins, or allow every one`;
  if (entry === 'null') return `null is the origin of any sandboxed page and local file, so no page of yours: leave it out`;
  if (!/^https?:\/\//i.test(entry)) {
    return /^[a-z][a-z0-9+.-]*:\/\//i.test(entry)
      ? `${entry} is neither http:// nor https://: decide about it in a predicate, origins: (origin) => …`
      : `${entry} has no scheme: write ${canonical(`https://${entry}`) ?? 'https://app.example.com'}`;
  }
  const plain = entry.replace(/^(https?:\/\/)\*\./i, '$1star.').replace(/:\*$/, '');
  const stars = entry.split('*').length - 1;
  if (plain.includes('*') || stars > 1) {
    return `${entry}: a * may only stand for subdomains, as in https://*.example.com, or for the port, as in http://localhost:*`;
  }
  const isSubdomains = plain.includes('://star.') && stars === 1 && !entry.endsWith(':*');
  if (isSubdomains && !/:\/\/star\.[^.]+\.[^.]/.test(plain)) {
    return `${entry} covers the sites of strangers: write at least two labels after the star, as in https://*.example.com`;
  }
  const origin = canonical(plain);
  if (origin === undefined) return `${entry} is not an origin: write one such as https://app.example.com`;
  if (origin !== plain) {
    const advice = isSubdomains ? origin.replace('://star.', '://*.') : entry.endsWith(':*') ? `${origin}:*` : origin;
    return `${entry} is not what browsers send: write ${advice}`;
  }
  if (credentials && entry.startsWith('http:') && !LOOPBACK.test(entry)) {
    return `${entry} would let anyone on the network use your visitors' cookies: write ${entry.replace('http:', 'https:')}`;
  }
  return undefined;
}

function canonical(url: string): string | undefined {
  try {
    const { origin } = new URL(url);
    return origin === 'null' ? undefined : origin;
  } catch {
    return undefined;
  }
}
