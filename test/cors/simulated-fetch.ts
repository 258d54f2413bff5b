/** Simulated calls of `fetch()`, with simulated responses, and what to assert about them. */

import assert from 'node:assert/strict';
import {
  type BlockedReason, type FetchOptions, type HttpRequest, type HttpResponse, type PageRequest, type Verdict,
  fetchAsPage,
} from '../../scripts/cors/browser-model.ts';

export const APP = 'https://app.example.com';
export const API = 'https://api.example.net/notes';
export const OTHER = 'https://other.example.org/here';
export const FORM = 'application/x-www-form-urlencoded';

export const CONSTRUCTOR = 'Request constructor, step';
export const CHECK = 'CORS check, step';
export const PREFLIGHT = 'CORS-preflight fetch, step';
export const REDIRECT = 'HTTP-redirect fetch, step';

export const ANY_HEADERS: Record<string, string> = { 'Access-Control-Allow-Origin': '*' };
export const APP_HEADERS = { 'Access-Control-Allow-Origin': APP, 'Access-Control-Allow-Credentials': 'true' };
export const anyOrigin = respond(200, ANY_HEADERS);
export const appWithCredentials = respond(200, APP_HEADERS);
export const appOnly = respond(200, { 'Access-Control-Allow-Origin': APP });

/** Returns a response. A header with an array of values has a line for each value. */
export function respond(status: number, headers: Record<string, string | string[]> = {}): HttpResponse {
  const pairs = Object.entries(headers)
    .flatMap(([name, values]) => [values].flat().map((value) => [name, value] as const));
  return { status, headers: pairs };
}

/** Returns a preflight response with these lists. */
export function allowing(
  methods: string | string[] = [], headers: string | string[] = [], corsHeaders = ANY_HEADERS,
): HttpResponse {
  const lists = { 'Access-Control-Allow-Methods': methods, 'Access-Control-Allow-Headers': headers };
  return respond(204, { ...corsHeaders, ...lists });
}

export function redirect(Location: string | string[], status = 302, corsHeaders = ANY_HEADERS): HttpResponse {
  return respond(status, { ...corsHeaders, Location });
}

/** Fetches from APP to API, with these responses in order. A missing response is a network error. */
export function fetching(
  page: Partial<PageRequest>, responses: HttpResponse[] = [], options?: FetchOptions,
): Promise<Verdict> {
  const remaining = [...responses];
  const performHttp = async () => remaining.shift() ?? Promise.reject(new Error('no response left'));
  return fetchAsPage({ origin: APP, url: API, ...page }, performHttp, options);
}

export const kinds = (verdict: Verdict) => verdict.exchanges.map(({ kind }) => kind);

export function sent(verdict: Verdict, index: number): HttpRequest {
  const exchange = verdict.exchanges[index];
  assert.ok(exchange, `request ${index} was not sent`);
  return exchange.request;
}

export function header({ headers }: HttpRequest, name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

export function assertAllowed(verdict: Verdict): void {
  assert.equal(verdict.blocked?.detail, undefined);
  assert.equal(verdict.allowed, true);
}

export function assertBlocked(verdict: Verdict, reason: BlockedReason, section: string, detail = /./): void {
  assert.equal(verdict.allowed, false);
  assert.equal(verdict.response, undefined);
  assert.equal(verdict.readableHeaders, undefined);
  assert.equal(verdict.blocked?.reason, reason);
  assert.equal(verdict.blocked?.section, `Fetch, ${section}`);
  assert.match(verdict.blocked?.detail ?? '', detail);
}
