import type { Exchange } from '../exchange.ts';
import type { CorsOptionError } from './options.ts';
import { isSerializedOrigin } from './origins.ts';

/** Fetch, "CORS-safelisted response-header name", and headers that are not meant for a page's script. */
const NEEDS_NO_EXPOSING = new RegExp(
  '^(?:accept(?:-encoding)?|access-control-.*|allow|cache-control|connection|content-(?:language|length|type)' +
    '|content-security-policy|expires|last-modified|pragma|referrer-policy|set-cookie|strict-transport-security|vary' +
    '|www-authenticate|x-accel-buffering|x-content-type-options)$',
);
/** A cookie that browsers keep, and send back, in requests of pages on other sites. */
const CROSS_SITE_COOKIE = /^(?=.*;\s*samesite=none\b)(?=.*;\s*secure\b)/i;

/** The number of requested header names in one hint. More than any page needs, so that a hint has a limited length. */
const MAX_NAMES = 50;

/** Yields why an origin was denied, or which problems a page will have, each with the setting to change. */
export function* corsHints(exchange: Exchange): Generator<string> {
  const { decision, isAllowedPreflight, request, resource: { policy } } = exchange;
  if (decision === 'not cross-origin') return;
  if (decision !== 'denied') return yield* isAllowedPreflight ? preflightHints(exchange) : responseHints(exchange);
  const { origin } = request.headers;
  if (origin === 'null') yield 'denied null: the origin of sandboxed pages and local files (open the page over http)';
  else if (!isSerializedOrigin(origin!)) yield `denied ${origin}: it is not an origin as browsers send it`;
  else if (policy.predicate) yield `denied ${origin}: the function ${policy.name}.origins does not allow it`;
  else {
    const fix = policy.name === 'cors' ? 'add it there' : 'add it there, or delete this static cors';
    yield `denied ${origin}: it is not in ${settingOf(exchange, 'origins')} (${fix})`;
  }
}

function* preflightHints(exchange: Exchange): Generator<string> {
  const { hasRoute, match: { route: { pattern } }, path, request: { headers }, resource: { HandlerClass, methods } } = exchange;
  const method = headers['access-control-request-method']!;
  if (!sentList(exchange, 'access-control-allow-methods').includes(method)) {
    const upper = method.toUpperCase();
    const supported = [...methods.keys()].join(', ');
    if (!hasRoute) yield `${method} ${path}: no route matches this path`;
    else if (methods.has(method)) yield `${method} ${pattern} is not in ${settingOf(exchange, 'methods')}`;
    else if (methods.has(upper)) yield `${method} ${pattern}: methods are case-sensitive, write ${upper} in the page`;
    else yield `${method} ${pattern} is not implemented (${HandlerClass.name} supports ${supported})`;
  }
  const allowed = sentList(exchange, 'access-control-allow-headers');
  const requested = headers['access-control-request-headers']?.toLowerCase().split(/[\s,]+/, MAX_NAMES) ?? [];
  const missing = requested.filter((name) => name !== '' && !allowed.includes(name));
  if (missing.length === 0 || allowed.includes('*')) return;
  const all = [...allowed, ...missing].join(',');
  yield `headers not allowed: ${missing.join(', ')} (set ${settingOf(exchange, 'allowedHeaders')} to ${all})`;
}

function* responseHints(exchange: Exchange): Generator<string> {
  const { head, match: { route: { pattern } }, request: { headers } } = exchange;
  const exposed = sentList(exchange, 'access-control-expose-headers');
  const cookies: string[] = [];
  for (let at = 0; at < head.headers.length; at += 2) {
    const name = head.headers[at]!.toLowerCase();
    if (name === 'set-cookie') cookies.push(head.headers[at + 1]!);
    if (NEEDS_NO_EXPOSING.test(name) || exposed.includes('*') || exposed.includes(name)) continue;
    yield `a page cannot read the ${name} of ${pattern} (add it to ${settingOf(exchange, 'exposedHeaders')})`;
  }
  const site = headers['sec-fetch-site'] ?? 'cross-site';
  if (head.get('access-control-allow-credentials') === undefined) {
    if (site === 'same-origin' || (cookies.length === 0 && headers.cookie === undefined)) return;
    const [origins, credentials] = [settingOf(exchange, 'origins'), settingOf(exchange, 'credentials')];
    const fix = `list its origin in ${origins} and set ${credentials} to true, or fetch without cookies`;
    yield `a page of another origin can neither send nor keep cookies of ${pattern} (${fix})`;
  } else if (site === 'cross-site' && !cookies.every((cookie) => CROSS_SITE_COOKIE.test(cookie))) {
    const fix = 'set it with SameSite=None; Secure; Partitioned, or open the page under the host name of this server';
    yield `a cookie of ${pattern} will not come back from pages on other sites (${fix})`;
  }
}

/** Returns the members of a header that has been sent, whose name is in lower case. */
function sentList(exchange: Exchange, name: string): string[] {
  return (exchange.head.get(name) ?? '').split(/[\s,]+/).filter(Boolean);
}

/** Returns the name of an option: those of the server's policy are set in the environment, those of a class in code. */
function settingOf({ resource: { policy } }: Exchange, option: CorsOptionError['option']): string {
  const isVariable = policy.name === 'cors' && option !== 'methods';
  return isVariable ? `CORS_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}` : `${policy.name}.${option}`;
}
