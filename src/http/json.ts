import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { Stream } from 'node:stream';
import { HttpError } from './http-error.ts';
import { hasBody, ignoreRejection } from './request-body.ts';

/** Maximum nesting of a body, so that it can be sent back. JSON.stringify throws at a few thousand levels. */
const MAX_DEPTH = 100;

const UNSUPPORTED_TYPE = new HttpError(415, 'Send JSON in UTF-8, with Content-Type: application/json', {
  Accept: 'application/json',
});
const UNSUPPORTED_ENCODING = new HttpError(415, 'Send the body without a Content-Encoding', {
  'Accept-Encoding': 'identity',
});
const EMPTY = new HttpError(400, 'The body is empty: send a JSON value');

/** Returns why the request's headers rule out a JSON body, if they do. */
export function jsonHeaderError(request: IncomingMessage): HttpError | undefined {
  const type = request.headers['content-type'];
  // Most requests send exactly this type, and comparing is faster than matching.
  if (type !== 'application/json' && !isJsonInUtf8(type)) return UNSUPPORTED_TYPE;
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') return UNSUPPORTED_ENCODING;
  return hasBody(request) ? undefined : EMPTY;
}

/**
 * Returns whether a Content-Type is JSON in UTF-8. With joinDuplicateHeaders, Node joins a second Content-Type with a
 * comma, which makes the value invalid.
 */
function isJsonInUtf8(contentType = ''): boolean {
  const hasOtherCharset = /;\s*charset(?!="?utf-?8"?\s*(?:;|$))\s*=/i.test(contentType);
  return isJsonType(contentType) && !contentType.includes(',') && !hasOtherCharset;
}

/** Returns whether the media type is JSON (RFC 8259, section 11; RFC 6839, section 3.1). */
export function isJsonType(contentType: string): boolean {
  return /^application\/(?:json|[\w!#$&^.+-]+\+json)\s*(?:;|$)/i.test(contentType.trim());
}

/**
 * Parses a body as JSON (RFC 8259).
 *
 * @throws HttpError 400 that says why the bytes are not JSON
 */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new HttpError(400, 'The body is not valid UTF-8');
  let text = bytes.toString();
  if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
  // A short text cannot be too deep: 100 levels need 200 brackets.
  if (text.length > 2 * MAX_DEPTH && isTooDeep(text)) {
    throw new HttpError(400, `The body is nested deeper than ${MAX_DEPTH} levels`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (text.trim() === '') throw EMPTY;
    throw new HttpError(400, `The body is not valid JSON: ${(error as SyntaxError).message}`);
  }
  // The key can be written with escapes, which contain \u00.
  const mayHaveKey = text.includes('__proto__') || text.includes('\\u00');
  if (mayHaveKey && hasPrototypeKey(value)) throw new HttpError(400, 'The body has a key named __proto__');
  return value;
}

/**
 * Returns whether JSON is nested too deeply. It scans the text, because parsing it would be slow. For malformed JSON,
 * the result does not matter.
 */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < text.length && depth <= MAX_DEPTH; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '"') isInString = !isInString;
    else if (isInString) continue;
    else if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth--;
  }
  return depth > MAX_DEPTH;
}

/** Returns whether a value has a key `__proto__`, which would set the prototype of an object it is assigned to. */
function hasPrototypeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(hasPrototypeKey);
}

/**
 * Serializes a value as JSON.
 *
 * @throws TypeError for a value that JSON cannot represent, with its place in the value and what to return instead
 */
export function stringifyJson(value: unknown): string {
  if (!isPlain(value)) rejectUnserializable(value);
  let json: string | undefined;
  try {
    json = JSON.stringify(value) as string | undefined;
  } catch (error) {
    rejectUnserializable(value);
    throw error;
  }
  if (json === undefined) {
    throw new TypeError(`JSON cannot represent a value of the type ${typeof value}: return null, or another value`);
  }
  // JSON.stringify turns promises, Maps, Sets, and Errors without own fields into {}. Other values need no search.
  if (json.includes('{}')) rejectUnserializable(value);
  return json;
}

/** Returns whether a value is a primitive, a plain object or an array. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype;
}

/**
 * Throws if JSON cannot represent a part of a value. Also marks the promises in the value as handled, so that their
 * rejection does not end the process.
 *
 * @throws TypeError for the first such part, with its place in the value and what to return instead
 */
export function rejectUnserializable(value: unknown): void {
  let error: TypeError | undefined;
  const visited = new Set<unknown>();
  visit(value, '');
  if (error) throw error;

  function visit(part: unknown, path: string): void {
    if ((typeof part !== 'object' || part === null) && typeof part !== 'bigint') return;
    if (visited.has(part)) return;
    visited.add(part);
    const fix = fixFor(part as object | bigint, part === value);
    if (fix) error ??= new TypeError(`The returned value ${path ? `has, at ${path},` : 'is'} ${fix}`);
    if (fix || 'toJSON' in Object(part)) return;
    for (const [key, item] of Object.entries(part)) {
      visit(item, Array.isArray(part) ? `${path}[${key}]` : `${path}${path && '.'}${key}`);
    }
  }
}

const COLLECTION = /^(?:Map|Set|Headers|URLSearchParams|FormData)$/;

/** Names what JSON cannot represent, and says what to return instead. Bytes are an error only as the whole value. */
function fixFor(part: object | bigint, isWhole: boolean): string | undefined {
  if (typeof (part as PromiseLike<unknown>).then === 'function') {
    void ignoreRejection(Promise.resolve(part));
    return 'a promise: await it, or several with await Promise.all(promises)';
  }
  if (typeof part === 'bigint') {
    return 'toJSON' in Object(part) ? undefined : 'a BigInt: return String(value), or Number(value) if it is small';
  }
  // A whole HttpError was most likely meant to be thrown, although its toJSON() makes it serializable.
  if (part instanceof Error && (isWhole || !('toJSON' in part))) return 'an Error: throw it, or return its message';
  // The name of a built-in type, such as Map, or Object for most classes.
  const type = Object.prototype.toString.call(part).slice(8, -1);
  if (isWhole && (type === 'ArrayBuffer' || ArrayBuffer.isView(part))) {
    const asJson = "send the type 'application/json', and write this.endHeaders().end(bytes)";
    return `bytes (${type}): send their Content-Type or, if they are JSON, ${asJson}`;
  }
  if ('toJSON' in part) return undefined;
  // JSON.stringify turns these into {}, or into their other fields.
  if (type === 'Response') return 'a Response: return its body, await response.json()';
  if (type === 'Blob' || type === 'File') return 'a Blob: send a Content-Type, and return await blob.arrayBuffer()';
  if (part instanceof Stream || type === 'ReadableStream' || Symbol.asyncIterator in part) {
    return 'a stream or an async iterator: return pipeline(stream, this.endHeaders()), from node:stream/promises';
  }
  if (!(Symbol.iterator in part && ('next' in part || COLLECTION.test(type)))) return undefined;
  return `an iterable (${type}): return ${'get' in part ? 'Object.fromEntries(value) or ' : ''}[...value]`;
}
