import type { OutgoingHttpHeaders } from 'node:http';
import type { Lifetime } from '../../scripts/cors/launch-browser.ts';
import { listenForeign } from './explain-command.ts';

/** Starts a server whose response headers can follow the advice in a text. */
export async function startFixable(lifetime: Lifetime, headers: OutgoingHttpHeaders) {
  const url = await listenForeign(lifetime, (request, response) => {
    response.writeHead(request.method === 'OPTIONS' ? 204 : 200, headers).end();
  });
  const follow = (text: string) => {
    for (const [, name, value] of text.matchAll(/"(Access-Control-[\w-]+|Vary): ([^"]+)"/g)) headers[name!] = value!;
  };
  return { url, follow };
}
