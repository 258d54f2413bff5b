import { once } from 'node:events';
import { createServer as createNetServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { type CorsOptions, RequestHandler, type RequestLine, createServer } from '../../src/http/index.ts';
import type { SpawnedOptions } from './spawned-server.ts';

// A server in a process of its own, whose log is read. Its options are an argument; it ends when its standard input does.

class Fails extends RequestHandler {
  override async doGet() {
    switch (this.param('how')) {
      case 'cause':
        throw new Error('outer failed', { cause: Object.assign(new Error('inner refused'), { code: 'ECONNREFUSED' }) });
      case 'causes':
        throw new Error('one', { cause: new Error('two', { cause: new Error('three') }) });
      case 'errors':
        throw new AggregateError(
          [new Error('first failed'), Object.assign(new Error('second failed'), { code: 'E2' })],
          'all failed',
        );
      case 'fetch':
        return fetch(await nobodyListensTo());
      case 'code':
        throw Object.assign(new Error('coded'), { code: 'ERR_OF_OUR_OWN' });
      case 'circle': {
        const error = new Error('round and round');
        error.cause = error;
        throw error;
      }
      case 'controls':
        throw new Error('outer \x1b[2J\r\x07\x9b', { cause: new Error('inner \x1b[2J\x7f\nforged line') });
      case 'text':
        throw 'only a text';
      case 'object':
        throw { reason: 'only an object' };
      case 'null':
        throw null;
      default:
        throw new Error('plain');
    }
  }
}

async function nobodyListensTo(): Promise<string> {
  const server = createNetServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}

let waiting = 0;
const arrivals = new EventTarget();

/** Waits until its client has left. */
class Waits extends RequestHandler {
  override async doGet() {
    const body = this.query.has('stream') ? this.endHeaders() : undefined;
    body?.write('begun');
    const left = once(this.signal, 'abort');
    waiting++;
    arrivals.dispatchEvent(new Event('waiting'));
    await left;
    waiting--;
  }
  override async doPost() {
    waiting++;
    arrivals.dispatchEvent(new Event('waiting'));
    try {
      return await this.readJson();
    } finally {
      waiting--;
    }
  }
}

/** Answers once so many wait. */
class Waiting extends RequestHandler {
  override async doGet() {
    while (waiting < Number(this.param('count'))) await once(arrivals, 'waiting');
    return waiting;
  }
}

class Fields extends RequestHandler {
  override doGet() {
    return 'logged';
  }
  override logRequest(line: RequestLine) {
    super.logRequest({ ...line, user: this.query.get('user') ?? 'nobody', tries: 2 });
  }
}

class Short extends RequestHandler {
  override doPost() {
    return this.readJson();
  }
}

class Listed extends RequestHandler {
  static override readonly cors: CorsOptions = { origins: ['https://app.example.com'] };
  override doGet() {
    const cookie = this.query.get('cookie');
    if (cookie) this.sendHeader('Set-Cookie', cookie);
    return [];
  }
  override doPost() {
    return this.readJson();
  }
}

class WithCookies extends Listed {
  static override readonly cors: CorsOptions = { origins: ['https://app.example.com'], credentials: true };
}

if (process.argv[2]) {
  const server = createServer(
    {
      '/fails/:how': Fails,
      '/waits': Waits,
      '/waiting/:count': Waiting,
      '/fields': Fields,
      '/short': Short,
      '/listed': Listed,
      '/cookies': WithCookies,
    },
    JSON.parse(process.argv[2]) as SpawnedOptions,
  );
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  // What is still to be written is written at exit.
  process.stdin.resume().on('end', () => process.exit());
}
