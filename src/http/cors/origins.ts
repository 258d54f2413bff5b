import { isAddress, isLoopback } from '../host-names.ts';

/**
 * Validation and matching of origins. Origins are compared byte for byte with what browsers send (HTML, "serialization
 * of an origin"): lower case, no default port, no trailing slash, Punycode. A request's Origin is never normalized, so
 * no malformed value can become an allowed one.
 */

/** Maximum length of an origin passed to a pattern or predicate, in characters. Host names have at most 253. */
const MAX_LENGTH = 300;
/** One or more whole DNS labels, which the star in `https://*.example.com` may match. */
const LABELS = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;
const PORT = /^[1-9][0-9]{0,4}$/;
/** One origin of any scheme. Apps have schemes of their own, and may use capitals or no host. */
const SERIALISED = /^[a-z][a-z0-9+.-]*:\/\/(?:[a-z0-9._~%+-]*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?$/i;

/** The host of an http: or https: origin, after the URL parser normalized it. */
const WEB_HOST = /^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])$/;

/** Well-known domains on which anyone can get a subdomain; a subset of the Public Suffix List. */
const SHARED_DOMAIN = new RegExp(
  `^(?:(?:ac|co|com|edu|gov|net|or|org)\\.[a-z]{2}|${[
    'appspot.com', 'azurewebsites.net', 'blogspot.com', 'cloudfront.net', 'firebaseapp.com', 'fly.dev', 'github.io',
    'gitlab.io', 'herokuapp.com', 'netlify.app', 'ngrok-free.app', 'ngrok.io', 'onrender.com', 'pages.dev', 'surge.sh',
    'vercel.app', 'web.app', 'workers.dev',
  ].join('|').replaceAll('.', '\\.')})$`,
);

/** Returns whether an Origin header is a single serialized origin, not `null`, a list, or a URL with a path. */
export function isSerialisedOrigin(origin: string): boolean {
  return origin.length <= MAX_LENGTH && SERIALISED.test(origin);
}

/** Returns a test for the origins in a valid list. */
export function originMatcher(entries: readonly string[]): (origin: string) => boolean {
  const exact = new Set(entries.filter((entry) => !entry.includes('*')));
  const patterns = entries.flatMap((entry) => originPattern(entry) ?? []);
  return (origin) => exact.has(origin) || patterns.some((matches) => matches(origin));
}

/** Returns a test for `https://*.example.com` or `http://localhost:*`, or undefined if `entry` is a plain origin. */
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
    origin.length <= MAX_LENGTH &&
    origin.startsWith(scheme) &&
    origin.endsWith(domain) &&
    LABELS.test(origin.slice(scheme.length, -domain.length));
}

/** Returns what is wrong with an entry of `origins` and how to fix it, or undefined if it is valid. */
export function originError(entry: unknown, credentials: boolean): string | undefined {
  if (typeof entry !== 'string') {
    return `${String(entry)} is not a string: write an origin such as 'https://app.example.com'`;
  }
  const problem = problemOf(entry, credentials);
  if (!problem) return undefined;
  const { write, message } = correct(problem, credentials);
  return write === undefined ? `${entry} ${message}` : `${entry} ${problem.message}: write ${write}`;
}

interface Problem {
  message: string;
  /** The entry, or the comma-separated entries, to write instead. They may have another problem. */
  write?: string;
}

/** Maximum number of corrections of one entry, which may each need another one. */
const MAX_STEPS = 5;

/** Follows the advice until it is valid. Without valid advice, returns the problem that remains. */
function correct(problem: Problem, credentials: boolean, steps = MAX_STEPS): Problem {
  if (problem.write === undefined || problem.write === '*') return problem;
  if (steps === 0) return { message: NOT_AN_ORIGIN };
  const written = problem.write.split(',').map((entry) => {
    const next = problemOf(entry, credentials);
    return next ? correct(next, credentials, steps - 1) : { message: '', write: entry };
  });
  const uncorrected = written.find(({ write }) => write === undefined);
  return uncorrected ?? { ...problem, write: written.map(({ write }) => write).join(',') };
}

function problemOf(entry: string, credentials: boolean): Problem | undefined {
  if (entry === '*') return { message: 'must stand alone, not in a list: remove it, or remove the others' };
  if (entry === 'null') {
    return { message: 'is the origin of every sandboxed page and local file, so it identifies no page: remove it' };
  }
  const parts = partsOf(entry);
  if (parts.length === 0) return { message: NOT_AN_ORIGIN };
  if (parts.length > 1) return { message: 'must be separated by commas', write: parts.join(',') };
  if (parts[0] !== entry) {
    const isAnyPage = parts[0] === '*' && credentials;
    return isAnyPage ? { message: NOT_AN_ORIGIN } : { message: 'must be without quotes', write: parts[0]! };
  }
  const [, scheme, authority = ''] = /^([a-z*][a-z0-9+.*-]*):\/\/([^/?#\\]*)/i.exec(entry) ?? [];
  if (scheme === undefined) {
    const write = withScheme(entry);
    return write === undefined ? { message: NOT_AN_ORIGIN } : { message: 'has no scheme', write };
  }
  const name = scheme.toLowerCase();
  if (/^https?$/.test(name)) return webProblem(entry, name, authority.replace(/^.*@/, ''), credentials);
  return appProblem(entry, name, authority);
}

const NOT_AN_ORIGIN = 'is not an origin: list each as browsers send it, such as https://app.example.com';

function webProblem(entry: string, scheme: string, authority: string, credentials: boolean): Problem | undefined {
  const [, star = '', host, anyPort = ''] = /^(\*\.)?([^*]*?)(:\*)?$/.exec(authority) ?? [];
  if (host === undefined || (star && anyPort)) return starProblem(scheme, authority);
  if (/^\.[^.]/.test(host)) return { message: 'has no name before the dot', write: `${scheme}://*${host}${anyPort}` };
  const url = parse(`${scheme}://${host}`);
  if (!url || !WEB_HOST.test(url.hostname) || (star && isAddress(url.hostname))) return { message: NOT_AN_ORIGIN };
  if (star && !url.hostname.includes('.')) {
    return {
      message: 'would allow other people\'s sites: write two labels or more after the star, such as ' +
        'https://*.example.com',
    };
  }
  const asSent = `${scheme}://${star}${anyPort ? url.hostname : url.host}${anyPort}`;
  if (asSent !== entry) return { message: 'is not what browsers send', write: asSent };
  if (!credentials) return undefined;
  if (star && SHARED_DOMAIN.test(url.hostname)) {
    return {
      message: 'would let strangers, who share that domain, use your visitors\' cookies: list your own host names, ' +
        `such as ${entry.replace('*', 'your-app')}`,
    };
  }
  if (scheme === 'http' && !isLoopback(url.hostname)) {
    return {
      message: 'would let anyone on the network use your visitors\' cookies',
      write: entry.replace('http:', 'https:'),
    };
  }
  return undefined;
}

const STAR_RULE = 'is not possible: a * may only stand for subdomains (https://*.example.com) or for the port ' +
  '(http://localhost:*)';

function starProblem(scheme: string, authority: string): Problem {
  const prefix = `${scheme}://`;
  if (/^\*\.\*/.test(authority)) return { message: STAR_RULE, write: prefix + authority.replace(/^(?:\*\.)+/, '*.') };
  const domain = /^\*([a-z0-9][a-z0-9-]*\.[a-z0-9-]+(?::\d+)?)$/i.exec(authority)?.[1];
  if (domain) return { message: STAR_RULE, write: `${prefix}${domain},${prefix}*.${domain}` };
  const local = /^([^*:]+):?\*$/.exec(authority)?.[1]?.toLowerCase();
  if (local && isLoopback(local)) return { message: STAR_RULE, write: `${prefix}${local}:*` };
  if (authority === '*') return { message: `${STAR_RULE}. For any page, ${inCode(`origin.startsWith('${prefix}')`)}` };

  const [host = '', port = ''] = authority.split(/(?=:[\d*]*$)/);
  const isNumeric = /^\d[\d.*]*$/.test(host);
  // A name that ends with a star can be registered under any top-level domain.
  if (/[^*]\*$/.test(host) && !isNumeric) {
    return { message: `${STAR_RULE}. Anyone can register such a name, so list the origins one by one` };
  }
  const anyLabel = isNumeric ? '[0-9.]+' : '[a-z0-9-]+';
  const pattern = escape(host).replace(/^\*(?=\\\.|$)/, '[a-z0-9.-]+').replaceAll('*', anyLabel);
  const anyPort = port === ':*' || (port === '' && isNumeric) ? '(?::\\d+)?' : port.replace('*', '\\d+');
  const condition = `/^${scheme}:\\/\\/${pattern}${anyPort}$/.test(origin)`;
  const isSafe = isNumeric || /^\*(?:\.|$)/.test(host) || isLoopback(host);
  const danger = isSafe ? '' : '. If anyone can get such a name, a * inside it would let strangers in';
  return { message: `${STAR_RULE}${danger}. If all of these names are yours, ${inCode(condition)}` };
}

/** Origins of apps, such as capacitor://localhost and chrome-extension://<id>, are compared as they are. */
function appProblem(entry: string, scheme: string, authority: string): Problem | undefined {
  // `*://`, `htps://` and `wss://` stand for http: or https:.
  if (/^(?:[htps*]+|ftps?|wss?)$/.test(scheme)) {
    const web = /^(?:ht+p|ws)$/.test(scheme) ? 'http' : 'https';
    return { message: `is not an origin, because no page has the scheme ${scheme}`, write: `${web}://${authority}` };
  }
  if (authority.includes('*')) {
    const prefix = `${scheme}://${authority.slice(0, authority.indexOf('*'))}`;
    return { message: `has a *, which only http and https may have: ${inCode(`origin.startsWith('${prefix}')`)}` };
  }
  if (scheme === 'file') return { message: `does not tell one app from another: ${inCode(`origin === 'file://'`)}` };
  const asSent = `${scheme}://${authority}`;
  if (authority === '' || !isSerialisedOrigin(asSent)) {
    return { message: 'is not an origin: write it exactly as the app sends it, such as capacitor://localhost' };
  }
  return asSent === entry ? undefined : { message: 'is not what apps send', write: asSent };
}

function inCode(condition: string): string {
  return `decide in code, with origins: (origin) => ${condition}`;
}

function escape(text: string): string {
  return text.replace(/[.+?^${}()|[\]\\/-]/g, '\\$&').replaceAll('\\-', '-');
}

/** Splits what people write as one entry: a JSON list, quotes, spaces, semicolons. */
function partsOf(entry: string): string[] {
  const parts = entry.match(/[^\s"'`“”‘’<>,;]+/g)?.filter((part) => /[\p{L}\p{N}*]/u.test(part)) ?? [];
  return parts.map((part) => {
    const inside = part.replace(/^\[(?=.*:\/\/)/, '');
    return inside.includes('[') ? inside : inside.replace(/\]$/, '');
  });
}

/** Suggests http: for local pages and IP addresses, which rarely have certificates, and https: for all others. */
function withScheme(entry: string): string | undefined {
  if (/[\\^$(){}|]/.test(entry)) return undefined;
  const bare = entry.replace(/^(?:https?:)?\/*/i, '').replace(/[/?#].*$/, '').replace(/^\.(?=[^.])/, '*.');
  const host = bare.replace(/:[\d*]*$/, '').toLowerCase();
  const isLocal = isLoopback(host) || isAddress(host) || /^\d[\d.*]*$/.test(host);
  if (!isLocal && !/[.:]/.test(bare)) return undefined;
  return `${isLocal ? 'http' : 'https'}://${bare}`;
}

/** Parses an absolute URL; undefined if it is invalid. */
function parse(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
