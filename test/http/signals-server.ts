import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { RequestHandler, createServer, stopOnSignals } from '../../src/http/index.ts';
import type { SpawnedOptions } from './spawned-server.ts';

// A server in a process of its own that ends by a signal, or by what nobody foresaw. Its options are an argument.

class Waits extends RequestHandler {
  override async doGet() {
    await new Promise(() => {});
  }
}

class Events extends RequestHandler {
  override async doGet() {
    this.endHeaders().write('begun');
    await once(this.signal, 'abort');
  }
}

class Upload extends RequestHandler {
  override doPost() {
    return this.readJson();
  }
}

class Prints extends RequestHandler {
  override doGet() {
    for (let line = 0; line < 100; line++) {
      console.log('printed');
      console.error('complained');
    }
    return 'printed';
  }
}

const thrown: Record<string, unknown> = {
  null: null,
  undefined,
  text: 'only a text',
  object: { reason: 'only an object' },
  error: new Error('an error', { cause: new Error('its cause') }),
};

class Throws extends RequestHandler {
  override doGet() {
    const value = thrown[this.param('what')];
    setImmediate(() => {
      if (this.query.has('rejected')) void Promise.reject(value);
      else throw value;
    });
    return 'soon';
  }
}

if (process.argv[2]) {
  const routes = { '/waits': Waits, '/events': Events, '/upload': Upload, '/prints': Prints, '/throws/:what': Throws };
  const { shutdown, ...options } = JSON.parse(process.argv[2]) as SpawnedOptions;
  const server = createServer(routes, options);
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  stopOnSignals(server, shutdown);
}
