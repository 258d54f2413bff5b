import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import type { TestContext } from 'node:test';
import type { PerformHttp } from '../../scripts/cors/browser-model.ts';

/** What the browser model needs to speak to a server: plain HTTP, with every header line as it came. */
export function performHttpFor(t: Pick<TestContext, 'after'>): PerformHttp {
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  return async ({ method, url, headers, body }) => {
    const outgoing = request(url, { method, headers: [...headers, ['Host', new URL(url).host], ['Content-Length', String(Buffer.byteLength(body ?? ''))]].flat(), agent });
    outgoing.end(body);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const text = Buffer.concat(await response.toArray()).toString();
    const lines = [];
    for (let at = 0; at < response.rawHeaders.length; at += 2) lines.push([response.rawHeaders[at]!, response.rawHeaders[at + 1]!] as const);
    return { status: response.statusCode!, headers: lines, body: text };
  };
}
