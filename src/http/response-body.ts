import type { ServerResponse } from 'node:http';
import { type Duplex, Readable, Writable, type WritableOptions, finished } from 'node:stream';
import { isJsonType, rejectUnserializable, stringifyJson } from './json.ts';

/** The part of an error message that says why a call came too late, and what to do. */
export const ENDS_WITH_METHOD = 'it ends when the method returns, so return a promise that settles after this';

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

/** Releases a value that is not sent. Destroys a stream, which may have a file open, and ignores rejected promises. */
export function discardValue(value: unknown): void {
  try {
    if (value instanceof Readable) return destroyWithSources(value);
    // Marks the promises in the value as handled.
    rejectUnserializable(value);
  } catch {
    // A value that is not sent need not be serializable.
  }
}

/** Returns the stream for a body that a handler writes itself. It emits the errors that Node's response throws. */
export function bodyStream(response: ServerResponse): BodyStream {
  response.strictContentLength = true;
  const attempt = (done: (error?: Error) => void, action: () => boolean) => {
    try {
      if (action()) done();
      else response.once('drain', done);
    } catch (error) {
      done(error as Error);
    }
  };
  return new BodyStream({
    write: (chunk: Buffer, _encoding, done) => attempt(done, () => response.write(chunk)),
    final: (done) => attempt(done, () => (response.end(), true)),
  });
}

/**
 * Returns a stream that discards a body that is not sent. It is destroyed in setImmediate(), and then each source that
 * pipe() or pipeline() has connected.
 *
 * @param reasonOf returns the error to destroy it with
 */
export function discardedBody(reasonOf: () => Error): BodyStream {
  // A source that never waits would otherwise block the event loop.
  const stream = new BodyStream({ write: (_chunk, _encoding, done) => void setImmediate(done) });
  setImmediate(() => stream.destroy(reasonOf()));
  return stream.on('error', ignore);
}

/**
 * The stream of a response body. When it closes, it destroys the sources of pipe(). When a source fails, it emits
 * 'sourceError'. A write to a destroyed stream emits the stream's error again or, if there was none, 'late'.
 */
export class BodyStream extends Writable {
  /** The streams that pipe() has connected, each with a function that removes the listeners of finished(). */
  readonly sources = new Map<Readable, () => void>();

  constructor(options: WritableOptions) {
    super(options);
    this.on('pipe', (source: Readable) => {
      // The error of a source must not stop the process, even when all responses that share it have closed. off() keeps
      // such a source from collecting listeners.
      source.off('error', ignore).on('error', ignore);
      // A stream without unpipe(), from before Node 0.10, does not emit 'unpipe' either.
      if (!('unpipe' in source)) return;
      this.sources.get(source)?.();
      const stop = finished(source, { writable: false }, (error) => {
        // Later, because a listener of the handler may unpipe the source, and write something else.
        if (error) queueMicrotask(() => this.sources.get(source) === stop && this.emit('sourceError', error));
      });
      this.sources.set(source, stop);
      // pipe() unpipes a source when the body emits 'close', which a body that has failed may have done already.
      if (this.errored) setImmediate(() => source.unpipe(this));
    });
    this.on('unpipe', (source: Readable) => {
      this.sources.get(source)?.();
      this.sources.delete(source);
      // Later, because pipe() has yet to remove its 'data' listener, which destroySource() would count.
      if (this.destroyed) setImmediate(destroySource, source);
    });
  }

  override write(...parameters: never[]): boolean {
    const { destroyed, errored } = this;
    // A destroyed stream never emits 'drain', so a method that waits for it would never settle.
    if (destroyed && errored) setImmediate(() => this.emit('error', errored));
    else if (destroyed) this.emit('late', new Error(`The response had ended before this write: ${ENDS_WITH_METHOD}`));
    try {
      return Reflect.apply(super.write, this, parameters) as boolean;
    } catch (error) {
      // The chunk is neither a string nor bytes. pipe() calls write() where nobody could catch the error.
      this.destroy(error as Error);
      return false;
    }
  }

  override end(...parameters: never[]): this {
    const [chunk] = parameters as unknown[];
    // super.end() does not call write(), which reports a chunk that comes too late.
    if (this.destroyed && chunk && typeof chunk !== 'function') this.write(chunk as never);
    return Reflect.apply(super.end, this, parameters) as this;
  }
}

function ignore(): void {}

/** Destroys a source of pipe(), unless it has another listener for 'data', or others may still write to it. */
function destroySource(source: Readable): void {
  if (source.readableEnded || source.listenerCount('data') > 0) return;
  // If nothing is piped to a socket or PassThrough, somebody else may still write to it.
  if ((source as Partial<Duplex>).writable && source.listenerCount('unpipe') === 0) return;
  destroyWithSources(source);
}

/** Destroys a stream and its sources. When a stream closes, it emits 'unpipe' for each of them. */
function destroyWithSources(stream: Readable): void {
  stream.on('error', ignore).on('unpipe', destroySource).destroy();
}
