import type { IncomingMessage } from 'node:http';
import { HttpError } from './http-error.ts';
import { awaitsContinue } from './node/workarounds.ts';

const EMPTY = Buffer.alloc(0);

/**
 * Reads the whole body and returns the result of `parse`.
 *
 * @param bodyLimit in bytes
 * @param error to reject with, if the body must not be read
 * @returns a promise whose rejection does not end the process, even if nobody awaits it. It rejects with `error`, with
 *   an HttpError 413 if the body exceeds the limit, with an error that `parse` throws, and with an Error if the body
 *   has already been read or the client disconnects before its end
 */
export function readBody<Parsed>(
  request: IncomingMessage, bodyLimit: number, parse: (bytes: Buffer<ArrayBuffer>) => Parsed, error: unknown,
): Promise<Parsed> {
  return ignoreRejection(new Promise((resolve, reject) => {
    if (error !== undefined) throw error;
    // Nothing exceeds NaN, which Number() returns for a setting that is missing.
    if (!(bodyLimit >= 0)) throw new TypeError(`The limit of a body must be a number of bytes, not ${bodyLimit}`);
    if (Number(request.headers['content-length']) > bodyLimit) throw tooLarge(bodyLimit);
    if (request.readableDidRead || request.destroyed) {
      throw request.errored ?? new Error('The body has already been read: read it once for each request');
    }
    if (request.readableEncoding) throw new Error('The body is read as text: leave out this.request.setEncoding()');
    let body = EMPTY;
    let length = 0;
    let isRejected = false;
    request.on('data', (chunk: Buffer<ArrayBuffer>) => {
      // The rest is received without being kept, so that the client can read the response.
      if (isRejected) return;
      const start = length;
      length += chunk.length;
      try {
        if (length > bodyLimit) throw tooLarge(bodyLimit);
        // Most bodies are one chunk.
        if (start === 0) return void (body = chunk);
        // A list of a million one-byte chunks would take a hundred times their length.
        if (length > body.length) body = Buffer.concat([body], 2 * length);
        chunk.copy(body, start);
      } catch (failure) {
        // Buffer.concat() throws if there is not enough memory. Nothing else catches the error of a listener.
        isRejected = true;
        body = EMPTY;
        reject(failure);
      }
    });
    request.on('end', () => {
      try {
        resolve(parse(body.length > length ? body.subarray(0, length) : body));
      } catch (failure) {
        reject(failure);
      }
    });
    request.on('close', () => {
      if (request.readableEnded) return;
      reject(request.errored ?? new Error('The client disconnected before the end of the body'));
    });
  }));
}

/** Keeps a promise that nobody awaits (yet) from ending the process, and returns it. */
export function ignoreRejection<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {});
  return promise;
}

function tooLarge(bodyLimit: number): HttpError {
  return new HttpError(413, `The body must not exceed ${bodyLimit} bytes`);
}

/** Returns whether the request has a body (RFC 9112, section 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** Returns whether the unread body is longer than the limit, of unknown length, or can no longer be read. */
export function hasLongUnreadBody(request: IncomingMessage, bodyLimit: number): boolean {
  if (request.complete || !hasBody(request)) return false;
  // Without a Content-Length, Number() returns NaN.
  return request.destroyed || !(Number(request.headers['content-length']) <= bodyLimit);
}

/** Returns whether the server waits for the client to send more of the body, not for the handler to read it. */
export function waitsForMore(request: IncomingMessage): boolean {
  const hasRoom = request.readableLength < request.readableHighWaterMark;
  // A handler that stops reading early, by leaving a loop for example, destroys the request.
  return hasRoom && !request.destroyed && !awaitsContinue(request);
}
