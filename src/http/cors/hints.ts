import type { Exchange } from '../exchange.ts';
import { isLoopback } from '../host-names.ts';
import type { CorsOptionError } from './options.ts';

/** Fetch, "CORS-safelisted response-header name", and headers that are not meant for a page's script. */
const NEEDS_NO_EXPOSING = new RegExp(
  `^(?:${[
    'accept', 'accept-encoding', 'access-control-.*', 'allow', 'cache-control', 'connection', 'content-language',
    'content-length', 'content-type', 'expires', 'last-modified', 'pragma', 'set-cookie', 'vary', 'www-authenticate',
    'x-content-type-options',
  ].join('|')})$`, 'i',
);

/** What a cookie needs to return from pages on other sites, also in browsers that block third-party cookies. */
const CROSS_SITE = 'SameSite=None; Secure; Partitioned';

/** More than any page needs: a longer list would only cost time. */
const MAX_NAMES = 50;

/** Yields the reason why an origin was denied, or problems that a page will have, each with the setting to change. */
export function* corsHints(exchange: Exchange): Generator<string> {
  const { decision, head, isPreflight, path, pattern, request, resource } = exchange;
  const { headers } = request;
  const { HandlerClass, methods, policy } = resource;
  const origin = headers.origin!;
  /** The setting of an option: `cors` of the server is set in the environment, the policy of a class in code. */
  const setting = (option: CorsOptionError['option']) =>
    policy.name === 'cors' && option !== 'methods'
      ? `CORS_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`
      : `${policy.name}.${option}`;
  const sent = (name: string) => (head.get(name) ?? '').split(/[\s,]+/).filter(Boolean);

  if (decision === 'not cross-origin') return;
  if (decision === 'denied') {
    if (origin === 'null') yield 'denied null: a sandboxed page or a local file; open the page over http';
    else if (policy.predicate) yield `denied ${origin}: the function ${policy.name}.origins does not allow it`;
    else yield `denied ${origin}: it is not in ${setting('origins')} (add it there)`;
    return;
  }

  if (isPreflight) {
    const method = headers['access-control-request-method']!;
    if (!sent('access-control-allow-methods').includes(method)) {
      const upper = method.toUpperCase();
      const names = [...new Set(methods.values())].filter((name) => name !== 'doOptions').join(', ');
      if (pattern === '*') yield `${method} ${path}: no route matches this path`;
      else if (methods.has(method)) yield `${method} ${pattern} is not in ${setting('methods')}`;
      else if (methods.has(upper)) yield `${method} ${pattern}: methods are case-sensitive, write ${upper} in the page`;
      else yield `${method} ${pattern} is not implemented (${HandlerClass.name} has ${names})`;
    }
    const allowed = sent('access-control-allow-headers');
    const requested = headers['access-control-request-headers']?.toLowerCase().split(/[\s,]+/, MAX_NAMES) ?? [];
    const missing = requested.filter((name) => name !== '' && !allowed.includes(name));
    if (missing.length > 0 && !allowed.includes('*')) {
      const names = `${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'}`;
      yield `${names} not allowed (set ${setting('allowedHeaders')} to ${[...allowed, ...missing].join(',')})`;
    }
    return;
  }

  const exposed = sent('access-control-expose-headers');
  for (const name of new Set(head.headers.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase()))) {
    if (NEEDS_NO_EXPOSING.test(name) || exposed.includes('*') || exposed.includes(name)) continue;
    yield `a page cannot read the ${name} of ${pattern} (add it to ${setting('exposedHeaders')})`;
  }
  const site = headers['sec-fetch-site'] ?? 'cross-site';
  const withCredentials = head.get('access-control-allow-credentials') !== undefined;
  if (!withCredentials && site !== 'same-origin') {
    const fix = `list its origin in ${setting('origins')} and set ${setting('credentials')} to true`;
    if (headers.cookie !== undefined) {
      const reason = 'whose policy is without credentials, so the browser hides the response';
      yield `a page sends cookies to ${pattern}, ${reason} (${fix}, or fetch without cookies)`;
    }
    if (head.get('set-cookie') === undefined) return;
    yield `a page of another origin does not keep the cookie of ${pattern} (${fix})`;
  } else if (withCredentials && site === 'cross-site') {
    const cookies = head.headers.filter((_, at) => /^set-cookie$/i.test(head.headers[at - 1] ?? ''));
    if (cookies.every((cookie) => /;\s*samesite=none\b/i.test(cookie) && /;\s*secure\b/i.test(cookie))) return;
    const isLocal = isLoopback(hostOf(origin)) && isLoopback(hostOf(`http://${headers.host}`));
    const fix = isLocal ? 'open the page under the host name of this server' : `set it with ${CROSS_SITE}`;
    yield `a cookie of ${pattern} will not come back from pages on other sites (${fix})`;
  }
}

function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).hostname : '';
}
