import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import type { Lifetime } from '../../scripts/cors/launch-browser.ts';
import { serve } from './serve.ts';

export interface ReportingPage<Given, Seen> {
  port: number;
  give(items: Given[]): void;
  seen: Promise<Seen[]>;
}

/** Serves a page that passes each given item to a script, one after the other, and reports the results. */
export async function serveReportingPage<Given, Seen>(
  lifetime: Lifetime, script: string,
): Promise<ReportingPage<Given, Seen>> {
  const page = `<!doctype html><title>CORS test</title><script type="module">
    const see = ${script};
    const seen = [];
    for (const given of await (await fetch('/given')).json()) seen.push(await see(given));
    await fetch('/seen', { method: 'POST', body: JSON.stringify(seen) });
  </script>`;
  let given: Given[] = [];
  let report!: (seen: Seen[]) => void;
  const seen = new Promise<Seen[]>((resolve) => (report = resolve));
  const port = await serve(lifetime, createServer(async (request, response) => {
    if (request.url === '/seen') report((await json(request)) as Seen[]);
    response.setHeader('Content-Type', request.url === '/' ? 'text/html' : 'application/json');
    response.end(request.url === '/' ? page : JSON.stringify(given));
  }));
  return { port, give: (items) => (given = items), seen };
}
