import { HttpError, RequestHandler } from '../../src/http/index.ts';

interface Picture {
  type: string;
  bytes: Buffer;
}

/** In memory, for the example: at 10 MiB each, 20 pictures take up to 200 MiB. Yours would be files. */
const pictures = new Map<string, Picture>();
const MOST_PICTURES = 20;

/** Bytes as they are, at '/pictures/:name': `curl -T cat.png -H 'Content-Type: image/png' …/pictures/cat`. */
export class PictureHandler extends RequestHandler {
  /** In bytes, instead of BODY_LIMIT. */
  static override readonly bodyLimit = 10 * 1024 * 1024;

  override async doPut() {
    const type = this.request.headers['content-type'] ?? '';
    if (!/^image\/(?:png|jpeg|webp)$/.test(type)) {
      throw new HttpError(415, 'Send a PNG, JPEG or WebP', { Accept: 'image/png, image/jpeg, image/webp' });
    }
    const bytes = await this.readBody();
    const name = this.param('name');
    // After the body, so that uploads at the same time cannot exceed it together.
    if (pictures.size >= MOST_PICTURES && !pictures.has(name)) {
      throw new HttpError(409, 'There is no room for another picture');
    }
    pictures.set(name, { type, bytes });
    return { length: bytes.length };
  }

  override doGet() {
    const picture = pictures.get(this.param('name'));
    if (!picture) throw new HttpError(404, 'There is no such picture');
    this.sendHeader('Content-Type', picture.type);
    this.sendHeader('Content-Length', picture.bytes.length);
    this.endHeaders().end(picture.bytes);
  }
}
