import type { ServerResponse } from 'node:http';
import { Readable, Writable } from 'node:stream';
import { isJsonType, stringifyJson, unserialisable } from './json.ts';

/**
 * Returns the body for a returned value: JSON, unless it has another Content-Type.
 *
 * @throws TypeError for a value that cannot be sent so, with what to write instead
 */
export function bodyOf(value: unknown, contentType: string | undefined, handlerName: string): string | Uint8Array {
  if (contentType === undefined || isJsonType(contentType)) return stringifyJson(value, handlerName);
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  const fix = `return one, or leave out the Content-Type ${contentType}`;
  throw new TypeError(`${handlerName} must return a string or bytes, not ${typeof value}: ${fix}`);
}

/** Destroys a stream, which may have a file open, and ignores rejections in a value that will not be sent. */
export function discardValue(value: unknown): void {
  if (value instanceof Readable) return void value.on('error', () => {}).destroy();
  try {
    unserialisable(value, '');
  } catch {
    // A getter of the value throws.
  }
}

/** Returns the stream for a body that a handler writes itself. Node's response throws where a stream reports errors. */
export function bodyStream(response: ServerResponse): Writable {
  response.strictContentLength = true;
  const attempt = (done: (error?: Error) => void, action: () => boolean) => {
    try {
      if (action()) done();
      else response.once('drain', done);
    } catch (error) {
      done(error as Error);
    }
  };
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => attempt(done, () => response.write(chunk)),
    final: (done) => attempt(done, () => response.end().writableEnded),
  });
}

/** Returns a stream that discards the body of a response to HEAD. */
export function discardedBody(): Writable {
  // A source that never waits would otherwise block the event loop.
  return new Writable({ write: (_chunk, _encoding, done) => void setImmediate(done) });
}
