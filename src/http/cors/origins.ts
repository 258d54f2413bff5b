import { isIP } from 'node:net';

/**
 * Which origins a policy may name, and which a pattern matches. An origin is compared byte for byte with what
 * browsers send (HTML, "serialization of an origin"): lower case, no default port, no slash at the end,
 * Punycode. What a request says is never repaired first, so nothing can be repaired into a grant.
 */

/** The longest origin that a pattern or a predicate is asked about, in characters: a host name has at most 253. */
const MAXIMUM_LENGTH = 300;
/** One or more whole labels: what may stand for the star of `https://*.example.com`. */
const LABELS = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
const PORT = /^[1-9][0-9]{0,4}$/;
const SERIALISED = /^[a-z][a-z0-9+.-]*:\/\/(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?$/;

/** Scheme, `*.`, host with or without a port, `:*`. */
const ENTRY = /^(https?:\/\/)(\*\.)?([^*]*?)(:\*)?$/i;

/** Domains under which anybody may have a name: the best known, not the whole Public Suffix List. */
const SHARED_DOMAIN = new RegExp(
  `^(?:(?:ac|co|com|edu|gov|net|or|org)\\.[a-z]{2}|${[
    'appspot.com', 'azurewebsites.net', 'blogspot.com', 'cloudfront.net', 'firebaseapp.com', 'fly.dev', 'github.io',
    'gitlab.io', 'herokuapp.com', 'netlify.app', 'ngrok-free.app', 'ngrok.io', 'onrender.com', 'pages.dev', 'surge.sh',
    'vercel.app', 'web.app', 'workers.dev',
  ].join('|').replaceAll('.', '\\.')})(?::\\d+)?$`,
);

/** Whether a request's Origin is one origin at all: not `null`, not a list, not a URL with a path. */
export function isSerialisedOrigin(origin: string): boolean {
  return origin.length <= MAXIMUM_LENGTH && SERIALISED.test(origin);
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
    origin.length <= MAXIMUM_LENGTH &&
    origin.startsWith(scheme) &&
    origin.endsWith(domain) &&
    LABELS.test(origin.slice(scheme.length, -domain.length));
}

/** What is wrong with an entry of `origins`, with what to write instead; undefined where nothing is. */
export function originFault(entry: unknown, credentials: boolean): string | undefined {
  if (typeof entry !== 'string') {
    return `${String(entry)} is not a string: write an origin such as 'https://app.example.com'`;
  }
  if (entry === '*') return '* must stand alone, not in a list: list the origins, or allow every one';
  if (entry === 'null') {
    return 'null is the origin of any sandboxed page and local file, not of a page of yours: leave it out';
  }
  if (!/^https?:\/\//i.test(entry)) {
    return /^[a-z][a-z0-9+.-]*:\/\//i.test(entry)
      ? `${entry} is neither http:// nor https://: decide about it in a predicate, origins: (origin) => …`
      : `${entry} has no scheme: write ${withScheme(entry) ?? 'https://app.example.com'}`;
  }
  const [, scheme, star = '', host, anyPort = ''] = ENTRY.exec(entry) ?? [];
  if (scheme === undefined || (star && anyPort)) {
    return `${entry}: a * may only stand for subdomains (https://*.example.com) or for the port (http://localhost:*)`;
  }
  const url = parse(scheme + host);
  if (/\s/.test(entry)) return `${entry} is not an origin: separate several by commas`;
  if (!url || (star && isAddress(url.hostname))) {
    return `${entry} is not an origin: write one such as https://app.example.com`;
  }
  if (star && !url.hostname.includes('.')) {
    return `${entry} covers other people's sites: write two labels or more after the star (https://*.example.com)`;
  }
  const asSent = `${url.protocol}//${star}${url.host}${anyPort}`;
  if (asSent !== entry) return `${entry} is not what browsers send: write ${asSent}`;
  if (!credentials) return undefined;
  if (star && SHARED_DOMAIN.test(url.host)) {
    const own = entry.replace('*', 'app');
    return `${entry} would let strangers, who share that domain, use your visitors' cookies: write one name, ${own}`;
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    const safe = entry.replace('http:', 'https:');
    return `${entry} would let anyone on the network use your visitors' cookies: write ${safe}`;
  }
  return undefined;
}

/** Pages on the own machine are nearly always without TLS. */
function withScheme(host: string): string | undefined {
  const url = parse(`https://${host}`);
  return url && isLoopback(url.hostname) ? parse(`http://${host}`)!.origin : url?.origin;
}

/** An absolute URL, and only where it has an origin. */
function parse(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.origin === 'null' ? undefined : url;
}

function isAddress(hostname: string): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, '')) > 0;
}

function isLoopback(hostname: string): boolean {
  if (isAddress(hostname)) return hostname === '[::1]' || hostname.startsWith('127.');
  return hostname === 'localhost' || hostname.endsWith('.localhost');
}
