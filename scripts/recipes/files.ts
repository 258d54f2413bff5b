import { open } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HttpError, RequestHandler } from '../../src/http/index.ts';

const TYPES: Record<string, string> = { '.csv': 'text/csv', '.pdf': 'application/pdf', '.png': 'image/png' };

/** Downloads, at '/files/*path'. */
export class FilesHandler extends RequestHandler {
  static folder = 'files';

  override async doGet() {
    // param() lets no path climb out of the folder; a symbolic link in the folder still can.
    const path = this.param('path');
    const file = await open(join(FilesHandler.folder, path)).catch(() => undefined);
    try {
      const status = await file?.stat();
      if (!file || !status?.isFile()) throw new HttpError(404, 'There is no such file');
      this.sendHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
      this.sendHeader('Content-Length', status.size);
      this.sendHeader('Content-Disposition', 'attachment');
      await pipeline(file.createReadStream(), this.endHeaders());
    } finally {
      await file?.close();
    }
  }
}
