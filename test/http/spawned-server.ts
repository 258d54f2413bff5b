import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CorsOptions, HttpError, RequestHandler, type ServerOptions, createServer, stopOnSignals } from '../../src/http/index.ts';

/** What JSON can say of the options of createServer() and stopOnSignals(). */
export interface SpawnedOptions extends ServerOptions {
  shutdown?: { delay?: number; timeout?: number };
}

class Status extends RequestHandler {
  override doGet() {
    return { status: 'OK' };
  }
  override async doPost() {
    return { status: 'OK', received: await this.readJson() };
  }
}

class Health extends RequestHandler {
  override doGet() {
    if (this.draining) throw new HttpError(503);
    return { status: 'OK' };
  }
}

/** Answers once a POST of /release has been read. */
const waiting: (() => void)[] = [];
class Slow extends RequestHandler {
  override async doGet() {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return 'slow';
  }
}

class Release extends RequestHandler {
  override async doPost() {
    await this.readJson();
    for (const answer of waiting.splice(0)) answer();
    return 'released';
  }
}

class Late extends RequestHandler {
  override async doGet() {
    await sleep(Math.random() * 20);
    return 'late';
  }
}

class Throw extends RequestHandler {
  override async doPost() {
    throw new Error(String(await this.readJson()));
  }
}

class BigIntHandler extends RequestHandler {
  override doGet() {
    return 1n;
  }
}

class Fault extends RequestHandler {
  override doGet() {
    const error = new Error(`nobody foresaw this ${this.param('kind')}`);
    setImmediate(() => {
      if (this.param('kind') === 'uncaughtException') throw error;
      void Promise.reject(error);
    });
    return 'soon';
  }
}

class Items extends RequestHandler {
  override doGet() {
    return [];
  }
  override doPost() {
    this.sendHeader('Location', '/items/1');
    return {};
  }
}

class OwnPolicy extends RequestHandler {
  static override readonly cors: CorsOptions = { origins: ['https://app.example.com'], credentials: true, methods: ['GET'], allowedHeaders: [] };
  override doGet() {
    this.sendHeader('X-Total-Count', 2);
    const cookie = this.query.get('cookie');
    if (cookie) this.sendHeader('Set-Cookie', cookie);
    return [];
  }
  override doPut() {}
}

const routes = {
  '/': Status,
  '/health': Health,
  '/slow': Slow,
  '/release': Release,
  '/late': Late,
  '/throw': Throw,
  '/big': BigIntHandler,
  '/fault/:kind': Fault,
  '/items': Items,
  '/own-policy': OwnPolicy,
};

// Bare `node --test` runs this file without options, and nothing shall come of it.
if (process.argv[2]) {
  const { shutdown = {}, ...options } = JSON.parse(process.argv[2]) as SpawnedOptions;
  const server = createServer(routes, options);
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  stopOnSignals(server, shutdown);
  // Where the tests were killed, nobody else would end it.
  process.stdin.once('end', () => process.exit(1)).resume();
}
