import { RequestHandler, type Routes } from '../../src/http/index.ts';

class Status extends RequestHandler {
  override doGet(): unknown {
    return { status: 'OK' };
  }
  override async doPost(): Promise<unknown> {
    return { received: await this.readJson() };
  }
}
class Notes extends RequestHandler {
  override doGet(): unknown {
    return [];
  }
}
class Note extends RequestHandler {
  override doGet(): unknown {
    return { id: this.param('id') };
  }
  override async doPut(): Promise<unknown> {
    return this.readJson();
  }
  override doDelete(): void {}
}

/** A small API, built from this template. */
export const routes = {
  '/': Status,
  '/notes': Notes,
  '/notes/:id': Note,
} satisfies Routes;
