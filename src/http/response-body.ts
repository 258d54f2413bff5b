import type { ServerResponse } from 'node:http';
import { Readable, Writable } from 'node:stream';
import { isJsonType, rejectUnserializable, stringifyJson } from './json.ts';

/**
 * Returns the body for a returned value. It is JSON, unless it has another Content-Type.
 *
 * @throws TypeError for a value that cannot be sent with this Content-Type, with what to write instead
 */
export function bodyOf(value: unknown, contentType: string | undefined): string | Uint8Array {
  if (contentType === undefined || isJsonType(contentType)) return stringifyJson(value);
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  rejectUnserializable(value);
  const fix = `return a string or bytes, or leave out the Content-Type ${contentType}`;
  throw new TypeError(`The returned value is of the type ${typeof value}: ${fix}`);
}

/** Destroys a stream, which may have a file open, and ignores rejections in a value that will not be sent. */
export function discardValue(value: unknown): void {
  try {
    if (value instanceof Readable) return void value.on('error', () => {}).destroy();
    // Marks the promises in the value as handled.
    rejectUnserializable(value);
  } catch {
    // The value is not sent, so that it need not be serializable.
  }
}

/** Returns the stream for a body that a handler writes itself. It emits the errors that Node's response throws. */
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
  return destroyingSources(new Writable({
    write: (chunk: Buffer, _encoding, done) => attempt(done, () => response.write(chunk)),
    final: (done) => attempt(done, () => (response.end(), true)),
  }));
}

/**
 * Returns a stream that discards a body that is not sent. It is destroyed in setImmediate(), which also destroys a
 * source that pipeline() has connected by then.
 *
 * @param reasonOf returns the error to destroy it with
 */
export function discardedBody(reasonOf: () => Error): Writable {
  // A source that never waits would otherwise block the event loop.
  const stream = new Writable({ write: (_chunk, _encoding, done) => void setImmediate(done) });
  setImmediate(() => stream.destroy(reasonOf()));
  return destroyingSources(stream).on('error', () => {});
}

/** Makes a stream destroy the sources of pipe() when it closes. Unlike pipeline(), pipe() would leave a file open. */
function destroyingSources(stream: Writable): Writable {
  return stream.on('pipe', (source: Readable) => {
    stream.on('close', () => source.readableEnded || source.destroy());
  });
}
