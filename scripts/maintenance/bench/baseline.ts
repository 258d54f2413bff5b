import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** The response headers for the method of each load, in the order name, value, name, value, … */
export type HeaderLines = Readonly<Record<string, string[]>>;

/**
 * Returns the baseline, a minimal handler on node:http. It checks the origin, parses and serializes JSON, and sends
 * precomputed headers, without request validation, size limits or error handling.
 */
export function baselineServer(origins: readonly string[], headerLines: HeaderLines): http.Server {
  const allowed = new Set(origins);
  const { GET = [], POST = [], OPTIONS = [] } = headerLines;

  return http.createServer((request, response) => {
    const { method, headers } = request;
    if (!allowed.has(headers.origin!)) {
      response.writeHead(403).end();
    } else if (method === 'GET') {
      send(response, GET, { status: 'OK' });
    } else if (method === 'POST') {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => void chunks.push(chunk));
      request.on('end', () => {
        const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
        send(response, POST, { status: 'OK', received: JSON.parse(body.toString()) as unknown });
      });
    } else {
      response.writeHead(204, OPTIONS).end();
    }
  });
}

function send(response: http.ServerResponse, lines: string[], value: unknown): void {
  const body = JSON.stringify(value);
  lines[lines.indexOf('Content-Length') + 1] = String(Buffer.byteLength(body));
  response.writeHead(200, lines).end(body);
}

// As a process of its own: node baseline.ts '["https://…"]' '{"GET":[…],…}'
if (process.argv[1] === import.meta.filename) {
  const [origins, headerLines] = process.argv.slice(2).map((text) => JSON.parse(text) as unknown);
  const server = baselineServer(origins as string[], headerLines as HeaderLines);
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    console.log(`Listening on http://127.0.0.1:${port}`);
  });
}
