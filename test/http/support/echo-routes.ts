import { HttpError, RequestHandler } from '../../../src/http/index.ts';

class Echo extends RequestHandler {
  override doGet() {
    return { path: this.path, query: this.query.toString() };
  }
  override doPost() {
    return this.readJson();
  }
}

class Later extends RequestHandler {
  override async doGet() {
    await new Promise(setImmediate);
    return 'later';
  }
}

class Guarded extends Echo {
  override prepare() {
    throw new HttpError(401, 'Who are you?', { 'WWW-Authenticate': 'Bearer' });
  }
}

export const routes = { '/': Echo, '/later': Later, '/guarded': Guarded, '/parts/:name': Echo };
