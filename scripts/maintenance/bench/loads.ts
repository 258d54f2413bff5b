/** The origin of every request. */
export const ORIGIN = 'https://app.example.com';

/** The origins that each server allows, with credentials. */
export const ORIGINS = [
  'https://admin.example.com', ORIGIN, 'https://www.example.com', 'http://localhost:5173',
] as const;

export interface Load {
  readonly name: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The expected response. */
  readonly status: number;
  readonly response: string;
}

const NOTE = JSON.stringify({
  title: 'Milk',
  text: 'Two bottles, from the shop at the corner',
  tags: ['shop', 'today'],
  priority: 2,
});

export const LOADS: readonly Load[] = [
  { name: 'GET', method: 'GET', headers: { Origin: ORIGIN }, body: '', status: 200, response: '{"status":"OK"}' },
  {
    name: 'POST',
    method: 'POST',
    headers: { Origin: ORIGIN, 'Content-Type': 'application/json' },
    body: NOTE,
    status: 200,
    response: `{"status":"OK","received":${NOTE}}`,
  },
  {
    name: 'preflight',
    method: 'OPTIONS',
    headers: {
      Origin: ORIGIN,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'content-type',
    },
    body: '',
    status: 204,
    response: '',
  },
];

/** Returns the request of a load as the bytes of HTTP/1.1. */
export function requestBytes({ method, headers, body }: Pick<Load, 'method' | 'headers' | 'body'>, path = '/'): string {
  const length = body ? { 'Content-Length': Buffer.byteLength(body) } : {};
  const all = { Host: '127.0.0.1', ...headers, ...length };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}
