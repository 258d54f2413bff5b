import type { IncomingMessage, ServerResponse } from 'node:http';
import { HttpError } from './http-error.ts';

/** The least that is made room for where a body comes in pieces, in bytes. */
const FIRST_ROOM = 16 * 1024;

/**
 * The body's bytes, once all have come, as `parse` makes them.
 *
 * @param bodyLimit in bytes
 * @returns a promise that counts as handled. It rejects with an HttpError 413 where the body is over the limit,
 *   announced or sent, and with what `parse` throws
 */
export function readBody<Parsed>(
  request: IncomingMessage, bodyLimit: number, parse: (bytes: Buffer) => Parsed,
): Promise<Parsed> {
  // Node 24 sets up no stream for it.
  if (!hasBody(request)) return Promise.resolve(parse(Buffer.alloc(0)));
  if (Number(request.headers['content-length'] ?? 0) > bodyLimit) return rejected(tooLarge(bodyLimit));
  if (request.readableDidRead || request.destroyed) {
    return rejected(new Error('The body has been read already: it can be read once a request'));
  }
  // Handled only where it is refused: for each good body a promise more would cost 2 %.
  const promise = new Promise<Parsed>((resolve, reject) => {
    let body: Buffer | undefined;
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      const start = length;
      length += chunk.length;
      if (length > bodyLimit) {
        body = undefined;
        if (start > bodyLimit) return;
        reject(tooLarge(bodyLimit));
        handled(promise);
      } else if (!body) {
        // Most bodies are one chunk.
        body = chunk;
      } else {
        // Kept apart, a million chunks of one byte would take a hundred times their length.
        if (length > body.length) body = grown(body, start, Math.max(FIRST_ROOM, 2 * length));
        chunk.copy(body, start);
      }
    });
    // It comes right after 'end', and also where there is none.
    request.on('close', () => {
      try {
        if (!request.readableEnded) throw new Error('The client left before the end of the body');
        resolve(parse(!body ? Buffer.alloc(0) : body.length > length ? body.subarray(0, length) : body));
      } catch (error) {
        reject(error as Error);
        handled(promise);
      }
    });
  });
  return promise;
}

/** A promise that cannot end the process where nobody awaits it yet, or any more. */
export function handled<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => {});
  return promise;
}

export function rejected(error: Error): Promise<never> {
  return handled(Promise.reject(error));
}

function grown(bytes: Buffer, length: number, size: number): Buffer {
  const larger = Buffer.allocUnsafe(size);
  bytes.copy(larger, 0, 0, length);
  return larger;
}

function tooLarge(bodyLimit: number): HttpError {
  return new HttpError(413, `The body may have at most ${bodyLimit} bytes`);
}

/** Tells a client that waits for 100 (Continue) to go on, once its body is first read (RFC 9110, section 10.1.1). */
export function continueOnFirstRead(request: IncomingMessage, response: ServerResponse): void {
  request._read = (size) => {
    delete (request as Partial<IncomingMessage>)._read;
    if (!response.headersSent) response.writeContinue();
    request._read(size);
  };
}

/** RFC 9112, section 6.3. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** Whether more of the body may still come than is worth waiting for to keep the connection. */
export function hasUnreadBody(request: IncomingMessage, bodyLimit: number): boolean {
  if (request.complete || !hasBody(request)) return false;
  const { headers } = request;
  const isUnbounded = headers['transfer-encoding'] !== undefined || headers.expect !== undefined;
  return isUnbounded || Number(headers['content-length']) > bodyLimit;
}
