import { HttpError, RequestHandler } from '../../src/http/index.ts';

interface Picture {
  type: string;
  bytes: Buffer;
}

/**
 * Returns a route for uploads of raw bytes, as with `curl -T cat.png -H 'Content-Type: image/png' …/pictures/cat`. The
 * example keeps up to 200 MiB of pictures in memory, and uploads in progress take more. In production, write files:
 * `await pipeline(this.request, limit, file)`, where `limit` is a Transform that fails with an HttpError 413, because
 * `bodyLimit` does not apply to the stream. An upload must be complete within REQUEST_TIMEOUT and HANDLER_TIMEOUT, so
 * set both higher for slow clients.
 */
export function picturesRoutes(pictures = new Map<string, Picture>(), limit = 20) {
  class PictureHandler extends RequestHandler {
    /** In bytes, in place of BODY_LIMIT. */
    static override readonly bodyLimit = 10 * 1024 * 1024;

    override async doPut() {
      const type = this.request.headers['content-type'] ?? '';
      if (!/^image\/(?:png|jpeg|webp)$/.test(type)) {
        throw new HttpError(415, 'Send a PNG, JPEG or WebP', { Accept: 'image/png, image/jpeg, image/webp' });
      }
      const bytes = await this.readBody();
      const name = this.param('name');
      // After the body has been read, so that concurrent uploads cannot exceed the limit.
      if (pictures.size >= limit && !pictures.has(name)) {
        throw new HttpError(409, `The limit of ${limit} pictures has been reached`);
      }
      // A copy, because the buffer behind a body may be twice as long.
      pictures.set(name, { type, bytes: Buffer.from(bytes) });
      return { length: bytes.length };
    }

    override doGet() {
      const picture = pictures.get(this.param('name'));
      if (!picture) throw new HttpError(404, 'Picture not found');
      this.sendHeader('Content-Type', picture.type);
      return picture.bytes;
    }
  }

  return { '/pictures/:name': PictureHandler };
}
