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

/** What the page has in common with the command. */
for (const name of [
  'advice', 'browser-model', 'change', 'header-list', 'network-access', 'preflight-cache', 'repairs', 'safelists',
  'sentences', 'template',
]) FILES[`/${name}.ts`] = `../${name}.ts`;

const TYPES: Record<string, string> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  ts: 'text/javascript; charset=utf-8',
};

const HEADERS = {
  // The page may call any server, that is what it is for; all that it is made of comes from here.
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' http: https:; img-src data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
};

/** In characters. */
const MAXIMUM_BODY = 1_048_576;

type OnReport = (report: unknown) => void;

interface Answer {
  type: string;
  body: string;
}

/** What cannot be done for the page, and the status that says so. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface PlaygroundOptions {
  /** A file in which the paths of the API stand as keys, such as src/routes.ts; it is read, not run. */
  routes?: string;
  /** Is given the results of the ready-made requests when the page is opened as `/?report`. */
  onReport?: OnReport;
}

/**
 * The playground's page, and for its prediction the plain HTTP that a page cannot see.
 *
 * @param target the origin of the API
 */
export function createPlayground(target: string, options: PlaygroundOptions = {}): Server {
  return createServer((request, response) => {
    answer(request, target, options).then(
      ({ type, body }) => send(response, 200, type, body),
      (error: Error) => {
        const status = error instanceof Refusal ? error.status : 500;
        if (status === 500) console.error(error);
        send(response, status, 'application/json', JSON.stringify({ error: error.message }));
      },
    );
  });
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { ...HEADERS, 'Content-Type': type }).end(body);
}

async function answer(request: IncomingMessage, target: string, options: PlaygroundOptions): Promise<Answer> {
  const { routes, onReport } = options;
  // Against DNS rebinding: another site's name that leads here is not this page.
  const { host = '', origin } = request.headers;
  if (!isLoopbackName(host.replace(/:\d+$/, '').toLowerCase())) {
    throw new Refusal(421, 'This page is for this machine only');
  }
  const path = request.url?.split('?', 1)[0] ?? '';

  if (request.method === 'GET') {
    const file = FILES[path];
    if (file) return { type: TYPES[file.split('.').at(-1) ?? ''] ?? '', body: await load(file) };
    if (path === '/target') return json({ target, paths: routes === undefined ? [] : await pathsIn(routes) });
  } else if (request.method === 'POST') {
    if (origin !== `http://${host}`) throw new Refusal(403, 'Only the playground\'s own page may ask for this');
    if (path === '/perform') return json(await perform((await readJson(request)) as HttpRequest, target));
    if (path === '/report' && onReport) {
      onReport(await readJson(request));
      return json({});
    }
  }
  throw new Refusal(404, 'There is nothing here');
}

/** Sends a request for the page, but only to this machine and to the target: this is not an open proxy. */
async function perform(request: HttpRequest, target: string): Promise<unknown> {
  const { protocol, hostname, host, href } = URL.canParse(request.url) ? new URL(request.url) : new URL('about:blank');
  if (!/^https?:$/.test(protocol)) throw new Refusal(400, 'only http:// and https:// can be asked');
  if (!isLoopbackName(hostname) && host !== new URL(target).host) {
    const advice = `to ask another, start it with --target ${protocol}//${host}`;
    throw new Refusal(403, `the playground asks this machine only: ${advice}`);
  }
  try {
    return await performHttp({ ...request, url: href });
  } catch (error) {
    throw new Refusal(502, (error as Error).message);
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) {
    if ((text += chunk).length > MAXIMUM_BODY) throw new Refusal(413, 'This is too long');
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'This is not JSON');
  }
}

/** The paths that stand as keys in a file, as far as it is there. */
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
    // Node 20 needs tsx to run this file, and tsx comes with esbuild.
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

function json(value: unknown): Answer {
  return { type: 'application/json', body: JSON.stringify(value) };
}
