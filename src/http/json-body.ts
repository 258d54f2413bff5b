import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { HttpError } from './http-error.ts';
import { hasBody } from './request-body.ts';

/** Deeper nesting than anyone's data needs; JSON.stringify throws at a few thousand levels. */
const MAXIMUM_DEPTH = 100;

const UNSUPPORTED_TYPE = new HttpError(415, 'Send JSON in UTF-8: Content-Type: application/json', {
  Accept: 'application/json',
});
const UNSUPPORTED_ENCODING = new HttpError(415, 'Send the body without a Content-Encoding', {
  'Accept-Encoding': 'identity',
});
const EMPTY = new HttpError(400, 'The body is empty: send a JSON value');
const NOT_UTF_8 = new HttpError(400, 'The body is not valid UTF-8');
const TOO_DEEP = new HttpError(400, `The body is nested deeper than ${MAXIMUM_DEPTH} levels`);
const PROTOTYPE = new HttpError(400, 'The body has a key named __proto__');

/** Whether the body can be JSON at all, by what the head says: before any of it is asked for. */
export function jsonHeadFault(request: IncomingMessage): HttpError | undefined {
  const type = request.headers['content-type'];
  if (type !== 'application/json' && !isJson(type)) return UNSUPPORTED_TYPE;
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') return UNSUPPORTED_ENCODING;
  return hasBody(request) ? undefined : EMPTY;
}

/** RFC 9110, section 8.3.1; RFC 6839, section 3.1. A second Content-Type is joined to the first by a comma. */
function isJson(contentType: string | undefined): boolean {
  const [essence = '', ...parameters] = (contentType ?? '').toLowerCase().split(';');
  return (
    /^application\/(?:json|[\w!#$&^.+-]+\+json)$/.test(essence.trim()) &&
    parameters.every((text) => !/,|^\s*charset\s*=/.test(text) || /^\s*charset="?utf-8"?\s*$/.test(text))
  );
}

/**
 * The value that JSON.parse reads (RFC 8259).
 *
 * @throws HttpError 400 that says why these bytes are not JSON
 */
export function parseJson(bytes: Buffer): unknown {
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
  if ((text.includes('__proto__') || text.includes('\\u00')) && hasPrototypeKey(value)) throw PROTOTYPE;
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
function hasPrototypeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasPrototypeKey);
}
