import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { type PageRequest, fetchAsPage } from '../../scripts/cors/browser-model.ts';
import { performHttp } from '../../scripts/cors/perform-http.ts';
import { type CorsOptions, RequestHandler } from '../../src/http/index.ts';
import { listen } from '../listen.ts';

/**
 * A policy, and what it means, in words of its own: nothing here is worked out by the code under test. The model of
 * the browser then says whether the page gets what the policy means, and nothing else.
 */
interface Meaning {
  cors: CorsOptions;
  /** The pages that it lets in, of those below. */
  grants: readonly string[];
  /** Request headers that it lets through, of those below. */
  headers?: readonly string[];
  /** Methods that it lets through, if it narrows them. */
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
  'any page': { cors: { origins: '*' }, grants: pages },
  'any page, any header': { cors: { origins: '*', allowedHeaders: '*' }, grants: pages, headers: every },
  'any page, one header': { cors: { origins: '*', allowedHeaders: ['X-Token'] }, grants: pages, headers: ['x-token'] },
  'any page, no header': { cors: { origins: '*', allowedHeaders: [] }, grants: pages, headers: [] },
  'any page, reading only': {
    cors: { origins: '*', methods: ['GET', 'HEAD'] },
    grants: pages, methods: ['GET', 'HEAD'],
  },
  'any page, Location readable': {
    cors: { origins: '*', exposedHeaders: ['Location'] },
    grants: pages, exposes: ['location'],
  },
  'any page, everything readable': {
    cors: { origins: '*', exposedHeaders: ['*'] },
    grants: pages, exposes: ['location', 'x-request-id'],
  },
  'one page': { cors: { origins: [app] }, grants: [app] },
  'one page, with cookies': { cors: { origins: [app], credentials: true }, grants: [app] },
  'one page, any header': { cors: { origins: [app], allowedHeaders: '*' }, grants: [app], headers: every },
  'one page, any header, with cookies': {
    cors: { origins: [app], allowedHeaders: '*', credentials: true },
    grants: [app], headers: every,
  },
  'one page, PUT only, with cookies': {
    cors: { origins: [app], methods: ['PUT'], credentials: true },
    grants: [app], methods: ['PUT'],
  },
  'two pages': { cors: { origins: [app, 'https://admin.example.com'] }, grants: [app, 'https://admin.example.com'] },
  'two pages, with cookies, readable': {
    cors: {
      origins: ['https://admin.example.com', 'http://localhost:3000'], credentials: true,
      exposedHeaders: ['X-Request-Id', 'Location'],
    },
    grants: ['https://admin.example.com', 'http://localhost:3000'], exposes: ['location', 'x-request-id'],
  },
  subdomains: {
    cors: { origins: ['https://*.example.com'] },
    grants: [app, 'https://admin.example.com', 'https://a.b.example.com'],
  },
  'subdomains, with cookies': {
    cors: { origins: ['https://*.example.com'], credentials: true },
    grants: [app, 'https://admin.example.com', 'https://a.b.example.com'],
  },
  'subdomains and the domain': {
    cors: { origins: ['https://example.com', 'https://*.example.com'] },
    grants: [app, 'https://admin.example.com', 'https://a.b.example.com', 'https://example.com'],
  },
  'subdomains on a port': {
    cors: { origins: ['https://*.example.com:8443'] },
    grants: ['https://app.example.com:8443'],
  },
  'plain http': { cors: { origins: ['http://app.example.com'] }, grants: ['http://app.example.com'] },
  'any localhost port': {
    cors: { origins: ['http://localhost:*'] },
    grants: ['http://localhost:3000', 'http://localhost:5173'],
  },
  'any localhost port, with cookies': {
    cors: { origins: ['http://localhost:*', 'http://127.0.0.1:*'], credentials: true },
    grants: ['http://localhost:3000', 'http://localhost:5173', 'http://127.0.0.1:3000'],
  },
  'a predicate': { cors: { origins: (origin) => origin === app }, grants: [app] },
  'an asynchronous predicate, with cookies': {
    cors: { origins: async (origin) => origin === app, credentials: true },
    grants: [app],
  },
  'any page, with cookies': {
    cors: { origins: () => true, credentials: true },
    grants: pages.filter((page) => page !== 'null'),
  },
  'no page': { cors: { origins: async () => false, credentials: true }, grants: [] },
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
  /** Of these alone, any two pages, methods, sets of headers, routes and modes still come together. */
  isPaired: boolean;
}

/**
 * Each page, method and set of headers, the three routes and the two credentials modes in turn: 13 * 7 * 5 requests.
 */
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
 * One page that is let in asks for everything. The others differ from it in nothing but whether they are let in, so
 * that of what they ask, the pairs are enough.
 * of what they ask, the pairs are enough.
 */
function requestsFor({ grants }: Meaning): Request[] {
  return requests.filter(({ page, isPaired }) => isPaired || page.origin === grants[0]);
}

/** The server passes for a public one: what browsers make of this machine does not matter to the policy. */
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

/** What the policy means for one request of a page: what it may have of the answer, and whether the method runs. */
function meant({ cors, grants, headers = usual, methods: narrowed, exposes = [] }: Meaning, { path, page }: Request) {
  const unsafe = page.headers
    .filter(([name, value]) => name !== 'Accept' && value !== 'text/plain')
    .map(([name]) => name.toLowerCase());
  const isSimple = ['GET', 'HEAD', 'POST'].includes(page.method);
  const hasCredentials = page.credentials === 'include';
  const allowedMethods = path === '/nope'
    ? ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
    : implemented.filter((method) => narrowed?.includes(method) ?? true);

  const isGranted = grants.includes(page.origin) && (cors.credentials === true || !hasCredentials);
  const needsPreflight = !isSimple || unsafe.length > 0;
  const passesPreflight =
    isGranted && (isSimple || allowedMethods.includes(page.method)) && unsafe.every((name) => headers.includes(name));
  const arrives = needsPreflight ? passesPreflight : grants.includes(page.origin);
  const allowed = isGranted && (!needsPreflight || passesPreflight);
  const status = path === '/nope' ? 404 : !implemented.includes(page.method) ? 405 : path === '/fails' ? 500 : 200;
  return {
    allowed,
    runs: arrives && path !== '/nope' && implemented.includes(page.method) ? 1 : 0,
    status: allowed ? status : undefined,
    readable: allowed ? (status === 200 ? exposes : []) : undefined,
  };
}

for (const [name, meaning] of Object.entries(meanings)) {
  test(`${name}: a browser lets each page do what the policy means, and nothing else`, async (t) => {
    const { url } = await listen(t, { '/things': Things, '/fails': Fails }, { cors: meaning.cors });
    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const asked = requestsFor(meaning);
    let allowed = 0;
    for (const request of asked) {
      runs = 0;
      const verdict = await fetchAsPage({ ...request.page, url: API.url + request.path }, async (sent) => {
        const answer = await performHttp({ ...sent, url: sent.url.replace(API.url, url) }, agent);
        return { ...answer, address: API.address };
      });
      const readable = verdict.readableHeaders?.filter((header) => ['location', 'x-request-id'].includes(header));
      const seen = { allowed: verdict.allowed, runs, status: verdict.response?.status, readable };
      const expected = meant(meaning, request);
      if (!isDeepStrictEqual(seen, expected)) {
        assert.fail(JSON.stringify({ request, expected, seen, verdict }, null, 1));
      }
      if (seen.allowed) allowed++;
    }
    assert.equal(asked.length, meaning.grants.length > 0 ? 119 : 91);
    assert.equal(allowed > 0, meaning.grants.length > 0);
  });
}
