import { hostNameOf, isLoopback } from '../host-names.ts';
import { isSerializedOrigin } from './origins.ts';

/** Well-known domains on which anyone can get a subdomain. They are a subset of the Public Suffix List. */
const SHARED_DOMAIN = new RegExp(
  '^(?:(?:ac|co|com|edu|gov|net|or|org)\\.[a-z]{2}|(?:appspot|blogspot|firebaseapp|herokuapp|onrender)\\.com' +
    '|(?:azurewebsites|cloudfront)\\.net|(?:fly|pages|workers)\\.dev|(?:github|gitlab|ngrok)\\.io' +
    '|(?:netlify|ngrok-free|vercel|web)\\.app|surge\\.sh)$',
);

/** The schemes http: and https:, and what people write in their place. No app has such a scheme. */
const WEB_SCHEME = /^(?:[htps*]+|ftps?|wss?):\/\//i;
/** Hosts that rarely have a certificate: IP addresses, with or without a star, and localhost. */
const LOCAL_HOST = /^(?:\[.*\]|\d[\d.*]*|(?:[^:/]+\.)?localhost)(?=[:/?#]|$)/i;

/** What is wrong with an entry, and what to do if it cannot be corrected. */
type OriginProblem = readonly [message: string, advice: string];

const NOT_AN_ORIGIN: OriginProblem = [
  'is not an origin as browsers send it', 'list each origin, such as https://app.example.com',
];
const STAR_RULE = 'may have a * only for subdomains (https://*.example.com) or for the port (http://localhost:*), ' +
  'because elsewhere it may let strangers in';
const IN_CODE = 'decide in code, with origins: (origin) =>';

/** Returns what is wrong with an entry of `origins` and how to fix it, or undefined if it is valid. */
export function originError(entry: string, credentials: boolean): string | undefined {
  const problem = problemOf(entry, credentials);
  if (!problem) return undefined;
  const [message, advice] = problem;
  const isValid = (origin: string) => problemOf(origin, credentials) === undefined;
  const candidates = partsOf(entry).map((part) => candidatesFor(part).map(asBrowsersSend));
  const corrected = candidates.map((origins) => origins.find(isValid));
  const isCorrected = corrected.length > 0 && !corrected.includes(undefined);
  // In the environment, commas separate entries, so an entry that has one is in code.
  const origins = entry.includes(',') ? `'${corrected.join("', '")}'` : corrected.join(',');
  if (isCorrected) return `${entry} ${message}: write ${origins}`;
  const condition = candidates.flat().map(conditionFor).find(Boolean);
  if (condition) return `${entry} ${STAR_RULE}. If you trust every origin that it would match, ${IN_CODE} ${condition}`;
  return `${entry} ${message}: ${advice}`;
}

/** Returns what is wrong with an entry unless it is an origin exactly as sent, or one of the two patterns. */
function problemOf(entry: string, credentials: boolean): OriginProblem | undefined {
  if (entry === '*') return ['must stand alone', 'write only * and no list, or remove it from the list'];
  if (entry === 'null') return ['is the origin of every sandboxed page and local file', 'remove it'];
  const origin = asBrowsersSend(entry);
  const [, scheme = '', star, host = '', anyPort] = /^([a-z0-9+.-]+):\/\/(\*\.)?([^*]*?)(:\*)?$/.exec(origin) ?? [];
  if (scheme === 'file') return ['does not tell one app from another', `${IN_CODE} origin === 'file://'`];
  if (scheme !== 'http' && scheme !== 'https') {
    const isOfApp = host !== '' && isSerializedOrigin(origin) && !WEB_SCHEME.test(origin);
    return isOfApp && origin === entry ? undefined : NOT_AN_ORIGIN;
  }
  const name = hostNameOf(host);
  if (name === undefined || (star && anyPort)) return NOT_AN_ORIGIN;
  if (star && !/[^.]\.[^.]/.test(name)) {
    const advice = 'write two labels or more after the star, such as https://*.example.com';
    return ["would allow other people's sites", advice];
  }
  if (credentials && star && SHARED_DOMAIN.test(name)) {
    const advice = `list your own host names, such as ${origin.replace('*', 'your-app')}`;
    return ["would let strangers, who share that domain, use your visitors' cookies", advice];
  }
  if (credentials && scheme === 'http' && !isLoopback(name)) {
    return ["would let anyone on the network use your visitors' cookies", 'use https:'];
  }
  return origin === entry ? undefined : NOT_AN_ORIGIN;
}

/**
 * Returns the origin of a URL or a pattern as browsers send it, or an empty string if it is neither. The URL parser
 * accepts a * in a host name, but not as a port.
 */
function asBrowsersSend(text: string): string {
  const url = text.replace(/:\*(?=[/?#]|$)/, '');
  if (!URL.canParse(url)) return '';
  const { protocol, host, hostname } = new URL(url);
  return url === text ? `${protocol}//${host}` : `${protocol}//${hostname}:*`;
}

/**
 * Splits what people write as one entry: a JSON list, quotes, spaces, semicolons. `*example.com` stands for the domain
 * and its subdomains.
 */
function partsOf(entry: string): string[] {
  const parts = entry.split(/[\s"'`“”‘’<>,;]+/).filter((part) => /[\p{L}\p{N}*]/u.test(part));
  const domain = /^(\w+:\/\/)?\*(\w[\w-]*\.\w+(?::\d+)?)$/;
  return parts.flatMap((part) => part.replace(domain, '$1$2 $1*.$2').split(' '));
}

/** Returns what may have been meant by a text, the most likely first. */
function candidatesFor(part: string): string[] {
  // The URL parser would take the first letters of a regular expression for a host name.
  if (/[\\^$(){}|]/.test(part)) return [];
  const withoutBrackets = part.replace(/^\[|\]$/g, '');
  return [part, withoutBrackets].flatMap((text) => [text, ...webCandidatesFor(text)]);
}

/** Returns the http: and https: URLs that may have been meant by a text with another scheme, or without one. */
function webCandidatesFor(text: string): string[] {
  const address = text
    .replace(WEB_SCHEME, '')
    .replace(/^(?:https?:)?\/*/i, '') // https:app.example.com, //app.example.com
    .replace(/:80(?=[/?#]|$)/, '') // The default port of http:, but not of https:.
    .replace(/^(?:\*?\.)+/, '*.') // .example.com, *.*.example.com
    .replace(/^localhost\*/i, 'localhost:*');
  const isLocal = LOCAL_HOST.test(address);
  if (address.includes('://') || !(isLocal || /[.:]/.test(address))) return [];
  const schemes = isLocal || /^(?:http|ws):/i.test(text) ? ['http', 'https'] : ['https'];
  return schemes.map((scheme) => `${scheme}://${address}`);
}

/** Returns a condition, as JavaScript, for an origin with a * where no pattern can have one. */
function conditionFor(origin: string): string | undefined {
  const hasOtherStar = origin.replace('://*.', '').includes('*');
  const [, scheme, host, port = ''] = /^([\w-]+):\/\/([\w.*-]+)(:[\d*]+)?$/.exec(origin) ?? [];
  // example.* has no condition, because anyone can register such a name.
  if (host === undefined || !hasOtherStar || /[^\d.].*\*$/.test(host)) return undefined;
  const name = host
    .replaceAll('.', '\\.')
    .replace(/^\*(?=\\|$)/, '[\\w.-]+') // *.example.com
    .replaceAll(/\*(?!$)/g, '[\\w-]+') // app-*.example.com
    .replace(/\*$/, '[\\d.]*'); // 192.168.*
  const portOrAny = origin.endsWith('*') ? '(?::\\d+)?' : port;
  return `/^${scheme}:\\/\\/${name}${portOrAny}$/.test(origin)`;
}
