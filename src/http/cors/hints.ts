import type { Exchange } from '../exchange.ts';
import type { Resource } from '../resource.ts';
import { pathOf } from '../target.ts';
import type { CorsOptionError } from './options.ts';

/** Fetch, "CORS-safelisted response-header name"; and what is not meant for a page's script. */
const NEEDS_NO_EXPOSING = new RegExp(
  `^(?:${[
    'accept', 'accept-encoding', 'access-control-.*', 'allow', 'cache-control', 'connection', 'content-language',
    'content-length', 'content-type', 'expires', 'last-modified', 'pragma', 'set-cookie', 'vary', 'www-authenticate',
    'x-content-type-options',
  ].join('|')})$`, 'i',
);

/** `localhost` and `127.0.0.1` are two sites. */
const LOOPBACK = /^(?:https?:\/\/)?(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?$/;

/** More than a page needs: whoever asks for thousands wastes the server's time. */
const MAXIMUM_NAMES = 50;

/**
 * Why a page was refused, and what it will stumble on, each with the line that changes it: for the log while
 * developing.
 */
export function* corsHints({ grant, head, isPreflight, request, resource, target }: Exchange): Generator<string> {
  const { fields: sent } = head;
  const { headers } = request;
  const { pattern, policy } = resource;
  const { origin } = headers;
  if (origin === undefined) return;
  const place = (option: CorsOptionError['option']) => placeOf(policy.name, option);
  if (!grant) {
    if (origin === 'null') yield 'refused null: a sandboxed page, or a local file; open the page over http';
    else if (policy.predicate) yield `refused ${origin}: the function ${policy.name}.origins does not allow it`;
    else yield `refused ${origin}: not among ${place('origins')} (add it there)`;
  } else if (isPreflight) {
    const method = headers['access-control-request-method']!;
    if (!listOf(sent, 'Access-Control-Allow-Methods').includes(method)) {
      if (pattern === '*') yield `${method} ${pathOf(target)}: no route has this path`;
      else if (resource.methods.has(method)) yield `${method} ${pattern} is not among ${place('methods')}`;
      else yield `${method} ${pattern} is not implemented (${has(resource)})`;
    }
    const allowed = listOf(sent, 'Access-Control-Allow-Headers');
    const asked = headers['access-control-request-headers']?.toLowerCase().split(/[\s,]+/, MAXIMUM_NAMES) ?? [];
    const missing = asked.filter((name) => name !== '' && !allowed.includes(name));
    if (missing.length > 0 && !allowed.includes('*')) {
      const names = `${missing.join(', ')} ${missing.length > 1 ? 'are' : 'is'}`;
      yield `${names} not allowed (set ${place('allowedHeaders')} to ${[...allowed, ...missing].join(',')})`;
    }
  } else if (grant.actual.length > 0) {
    const withCredentials = sent.includes('Access-Control-Allow-Credentials');
    const isWithout = !withCredentials && headers['sec-fetch-site'] !== 'same-origin';
    const toAllow = `list its origin in ${place('origins')} and set ${place('credentials')} to true`;
    if (headers.cookie !== undefined && isWithout) {
      yield `a page sends cookies to ${pattern}, whose policy is without credentials: the browser hides the answer ` +
        `(${toAllow}, or fetch without them)`;
    }
    const exposed = listOf(sent, 'Access-Control-Expose-Headers');
    for (let at = 0; at < sent.length; at += 2) {
      const name = sent[at]!;
      if (!NEEDS_NO_EXPOSING.test(name) && !exposed.includes('*') && !exposed.includes(name.toLowerCase())) {
        yield `a page cannot read the ${name} of ${pattern} (add it to ${place('exposedHeaders')})`;
      }
      if (!/^set-cookie$/i.test(name)) continue;
      const isCrossSite = (headers['sec-fetch-site'] ?? 'cross-site') === 'cross-site';
      if (isWithout) {
        yield `a page of another origin does not keep the cookie of ${pattern} (${toAllow})`;
      } else if (withCredentials && isCrossSite && !crossesSites(sent[at + 1]!)) {
        const isLocal = LOOPBACK.test(origin) && LOOPBACK.test(headers.host ?? '');
        const advice = isLocal ? 'open the page under the name of this server' : 'set it with SameSite=None; Secure';
        yield `a cookie of ${pattern} will not come back from pages on other sites (${advice})`;
      }
    }
  }
}

/** `cors.maxAge` of the server is CORS_MAX_AGE in the environment; a class has its policy in code alone. */
function placeOf(policy: string, option: CorsOptionError['option']): string {
  if (policy !== 'cors' || option === 'methods') return `${policy}.${option}`;
  return `CORS_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`;
}

function has({ HandlerClass, methods }: Resource): string {
  const written = [...methods.values()].filter((name) => name !== 'doOptions');
  return `${HandlerClass.name} has ${[...new Set(written)].join(', ')}`;
}

function listOf(sent: readonly string[], header: string): string[] {
  const at = sent.indexOf(header);
  return at < 0 ? [] : sent[at + 1]!.split(/[\s,]+/);
}

/** Whether browsers send a cookie along from pages on other sites: it has to say both. */
function crossesSites(cookie: string): boolean {
  return /;\s*samesite=none\b/i.test(cookie) && /;\s*secure\b/i.test(cookie);
}
