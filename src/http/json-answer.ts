/**
 * A value as JSON.
 *
 * @param handler whose answer it is, for the message
 * @throws TypeError for what JSON cannot say (a BigInt, a cycle, a function), and for a whole value that JSON.stringify
 *   would turn into `{}` or nonsense (a Response, a Map, bytes, an iterator, a stream), with what to write instead
 */
export function toJson(value: unknown, handler: object): string {
  if (typeof value === 'object' && value !== null && !isPlain(value)) {
    const advice = adviceFor(value);
    if (advice) throw new TypeError(`${handler.constructor.name} answers with ${advice}`);
  }
  const json = JSON.stringify(value) as string | undefined;
  if (json !== undefined) return json;
  throw new TypeError(`${handler.constructor.name} answers with a value that JSON cannot say (${typeof value})`);
}

/** Nearly every answer is: asked first, for it costs next to nothing. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype;
}

function adviceFor(value: object): string | undefined {
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (kind === 'Response') return 'a Response: return what it holds, await response.json()';
  if (kind === 'Map') return 'a Map: return Object.fromEntries(map) or [...map]';
  if (kind === 'Set') return 'a Set: return [...set]';
  if (ArrayBuffer.isView(value) || kind === 'ArrayBuffer' || kind === 'Blob') {
    return `bytes (${kind}): send a Content-Type and write them, this.endHeaders().end(bytes)`;
  }
  if ('pipe' in value || 'getReader' in value || Symbol.asyncIterator in value) {
    return 'a stream or an asynchronous iterator: return pipeline(stream, this.endHeaders()), of node:stream/promises';
  }
  return 'next' in value ? 'an iterator: return [...iterator]' : undefined;
}
