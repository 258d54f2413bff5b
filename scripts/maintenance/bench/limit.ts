import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** For each load's method, the header lines of the answer: name, value, name, value, … */
export type HeaderLines = Readonly<Record<string, string[]>>;

/**
 * The limit: what node:http costs where everything is known beforehand. It checks the origin, parses and serialises,
 * and passes on ready-made header lines; no protocol check, no size limit, no error handling.
 */
export function limitServer(origins: readonly string[], headerLines: HeaderLines): http.Server {
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

// As a process of its own: node limit.ts '["https://…"]' '{"GET":[…],…}'
if (process.argv[1] === import.meta.filename) {
  const [origins, headerLines] = process.argv.slice(2).map((text) => JSON.parse(text) as unknown);
  const server = limitServer(origins as string[], headerLines as HeaderLines);
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    console.log(`Listening on http://127.0.0.1:${port}`);
  });
}
