import type { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';

/**
 * The stream for a body whose handler has announced its Content-Length. More or fewer bytes would shift the next answer
 * on the connection: either is an error, so that the connection is cut.
 *
 * @param length in bytes
 */
export function announcedBody(response: ServerResponse, length: number): Writable {
  let left = length;
  const fault = () => new Error(`The length of the body differs from its Content-Length, ${length} bytes`);
  const body = new Writable({
    write(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      if (left < 0) done(fault());
      else if (response.write(chunk)) done();
      else response.once('drain', done);
    },
    final(done) {
      if (left > 0) return done(fault());
      response.end();
      done();
    },
  });
  response.once('close', () => body.destroy());
  return body;
}
