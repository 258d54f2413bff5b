import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type PageRequest, fetchAsPage } from '../../scripts/cors/browser-model.ts';
import { performHttp } from '../../scripts/cors/perform-http.ts';
import { type CorsOptions, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';

/**
 * A policy and its meaning, written independently of the code under test. The model of the browser then shows whether
 * a page may do exactly that.
 */
interface Meaning {
  cors: CorsOptions;
  /** The allowed origins, of those below. */
  allows: readonly string[];
  /** The allowed request headers, of those below. */
  headers?: readonly string[];
  /** The allowed methods, if the policy narrows them. */
  methods?: readonly string[];
  exposes?: readonly string[];
}

const app = 'https://app.example.com';
const pages = [
  app, 'https://admin.example.com', 'https://a.b.example.com', 'https://example.com', 'https://evilexample.com',
  'https://app.example.com.evil.com', 'http://app.example.com', 'https://app.example.com:8443',
  'http://localhost:3000', 'http://localhost:5173', 'http://127.0.0.1:3000', 'null', 'https://evil.com',
];
const usual = ['authorization', 'content-type', 'x-api-key'];
const every = [...usual, 'x-token'];

const meanings: Record<string, Meaning> = {
  'any page': { cors: { origins: '*' }, allows: pages },
  'any page, any header': { cors: { origins: '*', allowedHeaders: '*' }, allows: pages, headers: every },
  'any page, one header': { cors: { origins: '*', allowedHeaders: ['X-Token'] }, allows: pages, headers: ['x-token'] },
  'any page, no header': { cors: { origins: '*', allowedHeaders: [] }, allows: pages, headers: [] },
  'any page, reading only': {
    cors: { origins: '*', methods: ['GET', 'HEAD'] },
    allows: pages, methods: ['GET', 'HEAD'],
  },
  'any page, Location readable': {
    cors: { origins: '*', exposedHeaders: ['Location'] },
    allows: pages, exposes: ['location'],
  },
  'any page, everything readable': {
    cors: { origins: '*', exposedHeaders: ['*'] },
    allows: pages, exposes: ['location', 'x-request-id'],
  },
  'one page': { cors: { origins: [app] }, allows: [app] },
  'one page, with cookies': { cors: { origins: [app], credentials: true }, allows: [app] },
  'one page, any header': { cors: { origins: [app], allowedHeaders: '*' }, allows: [app], headers: every },
  'one page, any header, with cookies': {
    cors: { origins: [app], allowedHeaders: '*', credentials: true },
    allows: [app], headers: every,
  },
  'one page, PUT only, with cookies': {
    cors: { origins: [app], methods: ['PUT'], credentials: true },
    allows: [app], methods: ['PUT'],
  },
  'two pages': { cors: { origins: [app, 'https://admin.example.com'] }, allows: [app, 'https://admin.example.com'] },
  'two pages, with cookies, readable': {
    cors: {
      origins: ['https://admin.example.com', 'http://localhost:3000'], credentials: true,
      exposedHeaders: ['X-Request-Id', 'Location'],
    },
    allows: ['https://admin.example.com', 'http://localhost:3000'], exposes: ['location', 'x-request-id'],
  },
  subdomains: {
    cors: { origins: ['https://*.example.com'] },
    allows: [app, 'https://admin.example.com', 'https://a.b.example.com'],
  },
  'subdomains, with cookies': {
    cors: { origins: ['https://*.example.com'], credentials: true },
    allows: [app, 'https://admin.example.com', 'https://a.b.example.com'],
  },
  'subdomains and the domain': {
    cors: { origins: ['https://example.com', 'https://*.example.com'] },
    allows: [app, 'https://admin.example.com', 'https://a.b.example.com', 'https://example.com'],
  },
  'subdomains on a port': {
    cors: { origins: ['https://*.example.com:8443'] },
    allows: ['https://app.example.com:8443'],
  },
  'plain http': { cors: { origins: ['http://app.example.com'] }, allows: ['http://app.example.com'] },
  'any localhost port': {
    cors: { origins: ['http://localhost:*'] },
    allows: ['http://localhost:3000', 'http://localhost:5173'],
  },
  'any localhost port, with cookies': {
    cors: { origins: ['http://localhost:*', 'http://127.0.0.1:*'], credentials: true },
    allows: ['http://localhost:3000', 'http://localhost:5173', 'http://127.0.0.1:3000'],
  },
  'a predicate': { cors: { origins: (origin) => origin === app }, allows: [app] },
  'an asynchronous predicate, with cookies': {
    cors: { origins: async (origin) => origin === app, credentials: true },
    allows: [app],
  },
  'any page, with cookies': {
    cors: { origins: () => true, credentials: true },
    allows: pages.filter((page) => page !== 'null'),
  },
  'no page': { cors: { origins: async () => false, credentials: true }, allows: [] },
};

const routes = ['/things', '/nope', '/fails'] as const;
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'patch'];
const headerSets: [name: string, value: string][][] = [
  [],
  [['Content-Type', 'application/json']],
  [['X-Token', '1']],
  [['Authorization', 'Bearer 1'], ['Accept', 'text/plain']],
  [['Content-Type', 'text/plain'], ['x-api-key', '1']],
];

interface Request {
  path: (typeof routes)[number];
  page: Omit<PageRequest, 'url'> & { method: string; headers: (typeof headerSets)[number] };
  /** Whether the request is one of those that still combine any two of the values. */
  isPaired: boolean;
}

/** Every combination of a page, a method and a header set, with the routes and credentials modes in turn. */
const requests = pages.flatMap((origin, page) =>
  methods.flatMap((method, index) =>
    headerSets.map((headers, set): Request => ({
      path: routes[(page + index + set) % 3]!,
      page: { origin, method, headers, credentials: (page + index * 3 + set) % 2 ? 'include' : 'omit' },
      isPaired: (page + index) % headerSets.length === set,
    })),
  ),
);

/**
 * Returns every request of one allowed page. The other pages differ only in whether they are allowed, so combinations
 * of any two values are enough for them.
 */
function requestsFor({ allows }: Meaning): Request[] {
  return requests.filter(({ page, isPaired }) => isPaired || page.origin === allows[0]);
}

/** A public server, because the rules for local addresses do not concern the policy. */
const API = { url: 'https://api.example.net', address: '203.0.113.1' };

const implemented = ['GET', 'HEAD', 'POST', 'PUT', 'OPTIONS'];
let runs = 0;

class Things extends RequestHandler {
  override doGet() {
    return this.doPut();
  }
  override doPost() {
    return this.doPut();
  }
  override doPut() {
    runs++;
    this.sendHeader('Location', '/things/1');
    this.sendHeader('X-Request-Id', '1');
    return {};
  }
}
class Fails extends Things {
  override doPut(): never {
    runs++;
    throw new Error('Out of order');
  }
  override logError() {}
}

/** Returns the expected outcome of one request, which is what the page can read, and whether the handler runs. */
function expectedOf(
  { cors, allows, headers = usual, methods: narrowed, exposes = [] }: Meaning,
  { path, page }: Request,
) {
  const unsafe = page.headers
    .filter(([name, value]) => name !== 'Accept' && value !== 'text/plain')
    .map(([name]) => name.toLowerCase());
  const isSimple = ['GET', 'HEAD', 'POST'].includes(page.method);
  const hasCredentials = page.credentials === 'include';
  const allowedMethods = path === '/nope'
    ? ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
    : implemented.filter((method) => narrowed?.includes(method) ?? true);

  const isAllowed = allows.includes(page.origin) && (cors.credentials === true || !hasCredentials);
  const needsPreflight = !isSimple || unsafe.length > 0;
  const passesPreflight =
    isAllowed && (isSimple || allowedMethods.includes(page.method)) && unsafe.every((name) => headers.includes(name));
  const arrives = needsPreflight ? passesPreflight : allows.includes(page.origin);
  const allowed = isAllowed && (!needsPreflight || passesPreflight);
  const status = path === '/nope' ? 404 : !implemented.includes(page.method) ? 405 : path === '/fails' ? 500 : 200;
  return {
    allowed,
    runs: arrives && path !== '/nope' && implemented.includes(page.method) ? 1 : 0,
    status: allowed ? status : undefined,
    readable: allowed ? (status === 200 ? exposes : []) : undefined,
  };
}

for (const [name, meaning] of Object.entries(meanings)) {
  test(`applies the policy exactly: ${name}`, async (t) => {
    const { url } = await listen(t, { '/things': Things, '/fails': Fails }, { cors: meaning.cors });
    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const asked = requestsFor(meaning);
    let allowed = 0;
    for (const request of asked) {
      runs = 0;
      const verdict = await fetchAsPage({ ...request.page, url: API.url + request.path }, async (sent) => {
        const response = await performHttp({ ...sent, url: sent.url.replace(API.url, url) }, agent);
        return { ...response, address: API.address };
      });
      const readable = verdict.readableHeaders?.filter((header) => ['location', 'x-request-id'].includes(header));
      const seen = { allowed: verdict.allowed, runs, status: verdict.response?.status, readable };
      const expected = expectedOf(meaning, request);
      if (!isDeepStrictEqual(seen, expected)) {
        assert.fail(JSON.stringify({ request, expected, seen, verdict }, null, 1));
      }
      if (seen.allowed) allowed++;
    }
    assert.equal(asked.length, meaning.allows.length > 0 ? 119 : 91);
    assert.equal(allowed > 0, meaning.allows.length > 0);
  });
}
