import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from 'node:http';
import { type CorsOptions, HttpError, RequestHandler } from '../../../src/http/index.ts';

export const page = 'https://app.example.com';

export class Things extends RequestHandler {
  override doGet(): unknown {
    if (this.query.has('fail')) throw new HttpError(409);
    return { things: [] };
  }
  override doPut() {}
}

/** Sends a request like fetch(), but can set Host, Origin and Sec-Fetch-Site. */
export async function send(
  port: number, method: string, headers: OutgoingHttpHeaders, path = '/',
): Promise<IncomingMessage> {
  const request = httpRequest({ port, host: '127.0.0.1', method, path, headers, agent: false }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'close');
  return response;
}

/** Returns the Access-Control-* and Vary headers, and asserts that none is duplicated. */
export function corsOf({ rawHeaders }: IncomingMessage): Record<string, string> {
  const found: Record<string, string> = {};
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    if (!name.startsWith('access-control-') && name !== 'vary') continue;
    assert.equal(found[name], undefined, `${name} is there twice`);
    found[name] = rawHeaders[at + 1]!;
  }
  return found;
}

export const preflight = (method: string, headers?: string) => ({
  origin: page,
  'access-control-request-method': method,
  ...(headers !== undefined && { 'access-control-request-headers': headers }),
});

export const any: CorsOptions = { origins: '*', exposedHeaders: ['Location'] };
export const some: CorsOptions = {
  origins: [page],
  credentials: true,
  exposedHeaders: ['Location'],
  allowedHeaders: ['X-Token'],
  maxAge: 60,
};
export const anyHeaders = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'location' };
export const someHeaders = {
  'access-control-allow-origin': page,
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'location',
  vary: 'Origin',
};
