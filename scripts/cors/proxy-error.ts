/** Recognises the error page of a proxy, which has no CORS headers because the server behind it did not send it. */

import type { HttpResponse } from './browser-model.ts';
import { getHeader } from './header-list.ts';

/** Values of the Server header that name a proxy, a load balancer or a content delivery network. */
const PROXY_NAMES = /^(?:nginx|openresty|apache|caddy|haproxy|envoy|istio|traefik|varnish|cloudflare|cloudfront|aws)/i;

/** Returns whether a proxy sent this response because it could not reach the server behind it. */
export function isProxyError(response: HttpResponse | undefined): response is HttpResponse {
  if (response === undefined) return false;
  const { status, headers } = response;
  const type = getHeader(headers, 'Content-Type') ?? '';
  // A proxy passes on the JSON error of an API unchanged.
  if (/^application\/(?:[\w.+-]+\+)?json\b/i.test(type)) return false;
  // RFC 9110, sections 15.6.3 and 15.6.5. Cloudflare sends 520 to 527.
  if (status === 502 || status === 504 || (status >= 520 && status <= 527)) return true;
  return status === 503 && (PROXY_NAMES.test(getHeader(headers, 'Server') ?? '') || /^text\/html\b/i.test(type));
}

/** Returns what to check when a proxy responds with its own error page. */
export function adviceOnProxyError({ status, headers }: HttpResponse, url: string): string {
  const { pathname, search } = new URL(url);
  const path = (pathname + search).replaceAll("'", '%27');
  const server = getHeader(headers, 'Server');
  const sender = server === undefined ? `status ${status}` : `status ${status}, Server: ${server}`;
  return (
    'Check that the server behind the proxy is running: this is the error page of a proxy ' +
    `(${sender}), not a response of your API, so the CORS settings of your API do not apply. Read the logs of the ` +
    'server and of the proxy, and call the server without the proxy, on the machine where it runs: ' +
    `curl -i 'http://127.0.0.1:8000${path}' (with the port of your server).`
  );
}
