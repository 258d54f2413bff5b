import { constants, open } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HttpError, RequestHandler } from '../../src/http/index.ts';

const TYPES: Record<string, string> = { '.csv': 'text/csv', '.pdf': 'application/pdf', '.png': 'image/png' };

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (!['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'ENXIO'].includes(error.code!)) throw error;
}

/** Returns the route of all files in a folder and its subfolders, hidden ones included, as downloads. */
export function filesRoutes(folder: string) {
  class FilesHandler extends RequestHandler {
    override async doGet() {
      // param() rejects paths that lead out of the folder, but a symbolic link in the folder can.
      const path = this.param('path');
      // Without O_NONBLOCK, a named pipe would block a thread for ever.
      const flags = constants.O_RDONLY | constants.O_NONBLOCK;
      const file = await open(join(folder, path), flags).catch(ignoreMissing);
      try {
        const status = await file?.stat();
        if (!file || !status?.isFile()) throw new HttpError(404, 'File not found');
        this.sendHeader('Content-Type', TYPES[extname(path)] ?? 'application/octet-stream');
        this.sendHeader('Content-Length', status.size);
        this.sendHeader('Content-Disposition', 'attachment');
        // No more than that, even if the file grows.
        const source = status.size > 0 ? file.createReadStream({ end: status.size - 1 }) : [];
        await pipeline(source, this.endHeaders());
      } finally {
        await file?.close();
      }
    }
  }

  return { '/files/*path': FilesHandler };
}
