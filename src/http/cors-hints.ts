import type { IncomingMessage } from 'node:http';
import { CORS_VARIABLES, type CorsFault } from './cors-options.ts';
import type { Grant } from './cors.ts';
import type { Resource } from './resource.ts';

/** An answer, as far as a page of another origin has to do with it. */
interface PageAnswer {
  readonly request: IncomingMessage;
  readonly grant: Grant | undefined;
  readonly isPreflight: boolean;
  readonly resource: Resource;
  readonly head: { readonly fields: readonly string[] };
}

/** Fetch, "CORS-safelisted response-header name"; and what is not meant for a page's script. */
const NEEDS_NO_EXPOSING =
  /^(?:cache-control|content-language|content-length|content-type|expires|last-modified|pragma|access-control-.*|allow|connection|set-cookie|vary|www-authenticate|x-content-type-options)$/i;

/** Why a page was refused, and what it will stumble on, each with the line that changes it: for the log while developing. */
export function* corsHints({ request, grant, isPreflight, resource, head }: PageAnswer): Generator<string> {
  const { pattern, policy, allow, corsMethods, implementation } = resource;
  const { origin } = request.headers;
  if (origin === undefined) return;
  const place = (option: CorsFault['option']) => (policy.name === 'cors' ? CORS_VARIABLES[option] : `${policy.name}.${option}`);
  if (!grant) {
    yield `refused ${origin}: not among ${place('origins')} (add it there)`;
  } else if (isPreflight) {
    const method = request.headers['access-control-request-method']!;
    if (!corsMethods.split(', ').includes(method)) {
      const isNarrowed = allow.split(', ').includes(method);
      yield `${method} ${pattern} is not ${isNarrowed ? `among ${place('methods')}` : `implemented (${implementation})`}`;
    }
    const asked = request.headers['access-control-request-headers']?.split(',').map((name) => name.trim().toLowerCase()) ?? [];
    for (const name of asked) if (!policy.allows(name)) yield `${name} is not allowed (add it to ${place('allowedHeaders')})`;
  } else if (grant.actual.length > 0) {
    const { fields } = head;
    for (let at = 0; at < fields.length; at += 2) {
      const name = fields[at]!;
      if (!NEEDS_NO_EXPOSING.test(name) && !policy.exposes(name)) yield `a page cannot read the ${name} of ${pattern} (add it to ${place('exposedHeaders')})`;
      if (/^set-cookie$/i.test(name) && policy.credentials && !crossesSites(fields[at + 1]!)) {
        yield `a cookie of ${pattern} will not come back from pages of other sites (set it with SameSite=None; Secure)`;
      }
    }
  }
}

/** Whether browsers send a cookie along from pages of other sites: it has to say both. */
function crossesSites(cookie: string): boolean {
  return /;\s*samesite=none\b/i.test(cookie) && /;\s*secure\b/i.test(cookie);
}
