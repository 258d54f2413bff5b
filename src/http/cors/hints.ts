import type { Exchange } from '../exchange.ts';
import { membersOf } from '../response-head.ts';
import type { CorsOptionError } from './options.ts';

/** Fetch, "CORS-safelisted response-header name", and headers that are not meant for a page's script. */
const NEEDS_NO_EXPOSING = new RegExp(
  '^(?:accept(?:-encoding)?|access-control-.*|allow|cache-control|connection|content-(?:language|length|type)' +
    '|content-security-policy|expires|last-modified|pragma|referrer-policy|set-cookie|strict-transport-security|vary' +
    '|www-authenticate|x-accel-buffering|x-content-type-options)$',
);
/** A cookie that browsers keep, and send back, in requests of pages on other sites. */
const CROSS_SITE_COOKIE = /^(?=.*;\s*samesite=none\b)(?=.*;\s*secure\b)/i;

/** Yields why an origin was denied, or which problems a page will have, each with the setting to change. */
export function* corsHints(exchange: Exchange): Generator<string> {
  const { decision, request: { headers } } = exchange;
  if (decision === 'denied' && headers.origin === 'null') {
    yield 'denied null, a local file or a sandboxed frame: open the page over http';
  } else if (decision === 'denied') {
    yield `denied ${headers.origin}: if you trust it, add it to ${settingOf(exchange, 'origins')}`;
  }
  if (decision === 'allowed preflight') yield* preflightHints(exchange);
  else if (decision === 'allowed' && headers['sec-fetch-site'] !== 'same-origin') yield* responseHints(exchange);
}

function* preflightHints(exchange: Exchange): Generator<string> {
  const { head, match: { route: { pattern } }, request: { headers }, resource: { allow } } = exchange;
  const method = headers['access-control-request-method']!;
  const supported = membersOf(allow);
  const upper = method.toUpperCase();
  if (!supported.includes(method)) {
    const fix = supported.includes(upper) ? `write ${upper}: methods are case-sensitive` : `supported: ${allow}`;
    yield `${method} ${pattern} is not implemented (${fix})`;
  } else if (!membersOf(head.get('access-control-allow-methods')).includes(method)) {
    yield `${method} ${pattern} is not in ${settingOf(exchange, 'methods')}`;
  }
  const allowed = membersOf(head.get('access-control-allow-headers'));
  const requested = membersOf(headers['access-control-request-headers']?.toLowerCase());
  const ofResponses = requested.filter((name) => name.startsWith('access-control-'));
  if (ofResponses.length > 0) yield `the server sends ${ofResponses.join(', ')}: leave it out of fetch()`;
  const missing = requested.filter((name) => !allowed.includes(name) && !ofResponses.includes(name));
  if (missing.length === 0 || allowed.includes('*')) return;
  const all = [...allowed, ...missing].join(',');
  yield `headers not allowed: ${missing.join(', ')} (set ${settingOf(exchange, 'allowedHeaders')} to ${all})`;
}

function* responseHints(exchange: Exchange): Generator<string> {
  const { head, match: { route: { pattern } }, request: { headers } } = exchange;
  const exposed = membersOf(head.get('access-control-expose-headers'));
  const allowsCookies = head.get('access-control-allow-credentials') !== undefined;
  const isRedirect = head.status >= 300 && head.status < 400;
  const isCrossSite = (headers['sec-fetch-site'] ?? 'cross-site') === 'cross-site';
  if (!allowsCookies && (headers.cookie ?? head.get('set-cookie')) !== undefined) {
    const [origins, credentials] = [settingOf(exchange, 'origins'), settingOf(exchange, 'credentials')];
    const fix = `list its origin in ${origins} and set ${credentials} to true, or fetch without cookies`;
    yield `a page of another origin can neither send nor keep cookies of ${pattern} (${fix})`;
  }
  for (let at = 0; at < head.headers.length; at += 2) {
    const [name, value] = [head.headers[at]!.toLowerCase(), head.headers[at + 1]!];
    if (name === 'set-cookie' && allowsCookies && isCrossSite && !CROSS_SITE_COOKIE.test(value)) {
      const fix = 'set it with SameSite=None; Secure; Partitioned, or open the page under the host name of this server';
      yield `a cookie of ${pattern} will not come back from pages on other sites (${fix})`;
    }
    // A page never sees a redirect, because fetch() follows it.
    if (isRedirect || NEEDS_NO_EXPOSING.test(name) || exposed.includes(name) || exposed.includes('*')) continue;
    yield `a page cannot read the ${name} of ${pattern} (add it to ${settingOf(exchange, 'exposedHeaders')})`;
  }
}

/** Returns the name of the setting for an option, such as `CORS_ORIGINS`, or `NotesHandler.cors.origins` of a class. */
function settingOf({ resource: { policy } }: Exchange, option: CorsOptionError['option']): string {
  const isVariable = policy.name === 'cors' && option !== 'methods';
  return isVariable ? `CORS_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}` : `${policy.name}.${option}`;
}
