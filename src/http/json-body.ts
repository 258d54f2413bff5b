import type { IncomingMessage, ServerResponse } from 'node:http';
import { isUtf8 } from 'node:buffer';
import { HttpError } from './http-error.ts';

/** Deeper nesting than anyone's data needs; JSON.stringify throws at a few thousand levels. */
const MAXIMUM_DEPTH = 100;

const UNSUPPORTED_TYPE = new HttpError(415, 'Send JSON in UTF-8: Content-Type: application/json', { Accept: 'application/json' });
const UNSUPPORTED_ENCODING = new HttpError(415, 'Send the body without a Content-Encoding', { 'Accept-Encoding': 'identity' });
const EMPTY = new HttpError(400, 'The body is empty: send a JSON value');
const NOT_UTF_8 = new HttpError(400, 'The body is not valid UTF-8');
const TOO_DEEP = new HttpError(400, `The body is nested deeper than ${MAXIMUM_DEPTH} levels`);
const PROTOTYPE = new HttpError(400, 'The body has a key named __proto__');

/**
 * The body as JSON.parse reads it (RFC 8259).
 *
 * @param response sends 100 (Continue), where the client waits for it
 * @param bodyLimit in bytes
 */
export function readJson(request: IncomingMessage, response: ServerResponse, bodyLimit: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    refuseHead(request, bodyLimit);
    // RFC 9110, section 10.1.1: an HTTP/1.0 client cannot mean it.
    if (request.headers.expect !== undefined && request.httpVersionMinor > 0) response.writeContinue();
    let chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length <= bodyLimit) return;
      request.removeAllListeners('data');
      chunks = [];
      reject(tooLarge(bodyLimit));
    });
    request.on('end', () => {
      try {
        resolve(parse(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
      } catch (error) {
        reject(error as Error);
      }
    });
    request.on('close', () => {
      if (!request.readableEnded) reject(new Error('The client left before the end of the body'));
    });
  });
}

/** All that the head says about the body is checked before any of it is asked for. */
function refuseHead(request: IncomingMessage, bodyLimit: number): void {
  const { headers } = request;
  const type = headers['content-type'];
  if (type !== 'application/json' && !isJson(type)) throw UNSUPPORTED_TYPE;
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') throw UNSUPPORTED_ENCODING;
  if (!hasBody(request)) throw EMPTY;
  if (Number(headers['content-length'] ?? 0) > bodyLimit) throw tooLarge(bodyLimit);
  if (request.readableDidRead || request.destroyed) throw new Error('The body has been read already: readJson() goes once a request');
}

/** RFC 9112, section 6.3. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0');
}

/** Whether more of the body may still come than is worth waiting for to keep the connection. */
export function hasUnreadBody(request: IncomingMessage, bodyLimit: number): boolean {
  if (request.complete || !hasBody(request)) return false;
  const { headers } = request;
  return headers['transfer-encoding'] !== undefined || headers.expect !== undefined || Number(headers['content-length']) > bodyLimit;
}

/** RFC 9110, section 8.3.1; RFC 6839, section 3.1. A second Content-Type is joined to the first by a comma. */
function isJson(contentType: string | undefined): boolean {
  const [essence = '', ...parameters] = (contentType ?? '').toLowerCase().split(';');
  return (
    /^application\/(?:json|[\w!#$&^.+-]+\+json)$/.test(essence.trim()) &&
    parameters.every((parameter) => !/,|^\s*charset\s*=/.test(parameter) || /^\s*charset="?utf-8"?\s*$/.test(parameter))
  );
}

function tooLarge(bodyLimit: number): HttpError {
  return new HttpError(413, `The body may have at most ${bodyLimit} bytes`);
}

function parse(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw NOT_UTF_8;
  let text = bytes.toString();
  if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
  // 100 levels need 200 brackets, so a short body cannot be too deep.
  if (text.length > 2 * MAXIMUM_DEPTH && isTooDeep(text)) throw TOO_DEEP;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (text.trim() === '') throw EMPTY;
    throw new HttpError(400, `The body is not valid JSON: ${(error as SyntaxError).message}`);
  }
  // The key can be spelled with escapes, but not without one of these.
  if (text.includes('__proto__') || text.includes('\\u00')) refusePrototype(text);
  return value;
}

/** A scan, not a parse: what it counts inside malformed JSON does not matter, JSON.parse refuses that. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: // a string: on to its closing quote
        for (at++; at < text.length && text.charCodeAt(at) !== 0x22; at++) if (text.charCodeAt(at) === 0x5c) at++;
        break;
      case 0x5b: case 0x7b: // [ {
        if (++depth > MAXIMUM_DEPTH) return true;
        break;
      case 0x5d: case 0x7d: // ] }
        depth--;
    }
  }
  return false;
}

/** Such a key is an own property here, but becomes the prototype of whatever it is copied to by assignment. */
function refusePrototype(text: string): void {
  JSON.parse(text, (key, value: unknown) => {
    if (key === '__proto__') throw PROTOTYPE;
    return value;
  });
}
