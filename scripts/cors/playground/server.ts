import { readFile } from 'node:fs/promises';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import * as nodeModule from 'node:module';
import type { HttpRequest } from '../browser-model.ts';
import { isLoopbackName } from '../network-access.ts';
import { performHttp } from '../perform-http.ts';

const FILES: Record<string, string> = {
  '/': 'index.html',
  '/style.css': 'style.css',
  '/playground.js': 'playground.js',
};

/** Modules that the page shares with `cors:explain`. */
for (const name of [
  'advice', 'browser-model', 'change', 'cookies', 'header-list', 'network-access', 'preflight-cache', 'proxy-error',
  'repairs', 'safelists', 'sentences', 'site', 'template',
]) FILES[`/${name}.ts`] = `../${name}.ts`;

const TYPES: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  ts: 'text/javascript; charset=utf-8',
};

const HEADERS = {
  // The page may call any server, but loads its own parts only from here.
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' http: https:; img-src data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

const MAX_BODY_CHARACTERS = 1_048_576;

type OnReport = (report: unknown) => void;

interface Content {
  type: string;
  body: string;
}

/** An error response. */
class ErrorResponse extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface PlaygroundOptions {
  /** A file that has the paths of the API as keys, such as src/routes.ts. It is read, not run. */
  routes?: string;
  /** Receives the results of the sample requests if the page is opened as `/?report`. */
  onReport?: OnReport;
}

/**
 * Creates the server of the playground. It serves the page, and sends for it the plain HTTP requests of the prediction,
 * which a page cannot send.
 *
 * @param target the origin of the API
 */
export function createPlayground(target: string, options: PlaygroundOptions = {}): Server {
  return createServer((request, response) => {
    respond(request, target, options).then(
      ({ type, body }) => send(response, 200, type, body),
      (error: Error) => {
        const status = error instanceof ErrorResponse ? error.status : 500;
        if (status === 500) console.error(error);
        send(response, status, 'application/json', JSON.stringify({ error: error.message }));
      },
    );
  });
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { ...HEADERS, 'Content-Type': type }).end(body);
}

async function respond(request: IncomingMessage, target: string, options: PlaygroundOptions): Promise<Content> {
  const { routes, onReport } = options;
  // This check prevents DNS rebinding, where the name of another site resolves to this machine.
  const { host = '', origin } = request.headers;
  if (!isLoopbackName(host.replace(/:\d+$/, '').toLowerCase())) {
    throw new ErrorResponse(421, 'The playground serves only this machine');
  }
  const path = request.url?.split('?', 1)[0] ?? '';

  if (request.method === 'GET') {
    const file = FILES[path];
    if (file) return { type: TYPES[file.split('.').at(-1) ?? ''] ?? '', body: await load(file) };
    if (path === '/target') return json({ target, paths: routes === undefined ? [] : await pathsIn(routes) });
  } else if (request.method === 'POST') {
    if (origin !== `http://${host}`) throw new ErrorResponse(403, 'Only the playground may ask for this');
    if (path === '/perform') return json(await perform((await readJson(request)) as HttpRequest, target));
    if (path === '/report' && onReport) {
      onReport(await readJson(request));
      return json({});
    }
  }
  throw new ErrorResponse(404, 'No route matches this path');
}

/** Sends a request for the page, but only to this machine or the target, so that this is not an open proxy. */
async function perform(request: HttpRequest, target: string): Promise<unknown> {
  const { protocol, hostname, host, href } = URL.canParse(request.url) ? new URL(request.url) : new URL('about:blank');
  if (!/^https?:$/.test(protocol)) throw new ErrorResponse(400, 'The URL must start with http:// or https://');
  if (!isLoopbackName(hostname) && host !== new URL(target).host) {
    const advice = `to call another, start it with --target ${protocol}//${host}`;
    throw new ErrorResponse(403, `The playground calls only this machine and its target: ${advice}`);
  }
  try {
    return await performHttp({ ...request, url: href });
  } catch (error) {
    throw new ErrorResponse(502, (error as Error).message);
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    if ((text += chunk).length > MAX_BODY_CHARACTERS) throw new ErrorResponse(413, 'The body is too long');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new ErrorResponse(400, 'The body is not JSON');
  }
}

/** Returns the paths that a file has as keys, or none if the file does not exist. */
async function pathsIn(file: string): Promise<string[]> {
  const source = await readFile(file, 'utf8').catch(() => '');
  return [...source.matchAll(/^\s*(['"])(\/[^'"\s]*)\1\s*:/gm)].map(([, , path]) => path ?? '');
}

async function load(file: string): Promise<string> {
  const source = await readFile(new URL(file, import.meta.url), 'utf8');
  return file.endsWith('.ts') ? withoutTypes(source) : source;
}

async function withoutTypes(source: string): Promise<string> {
  const { stripTypeScriptTypes } = nodeModule as { stripTypeScriptTypes?: (source: string) => string };
  if (!stripTypeScriptTypes) {
    // Node 20 runs this file with tsx, which includes esbuild.
    const { transform } = await import('esbuild');
    return (await transform(source, { loader: 'ts' })).code;
  }
  const { emitWarning } = process;
  process.emitWarning = () => {}; // "stripTypeScriptTypes is an experimental feature"
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}

function json(value: unknown): Content {
  return { type: 'application/json', body: JSON.stringify(value) };
}
