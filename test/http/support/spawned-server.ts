import { once } from 'node:events';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CorsOptions, HttpError, RequestHandler, type AccessLogEntry, type ServerOptions, createServer, stopOnSignals,
} from '../../../src/http/index.ts';

// Child process of ServerProcess. Each message contains server options, and the reply is the port.

/** The JSON-serializable options of createServer() and stopOnSignals(). */
export interface SpawnedOptions extends ServerOptions {
  shutdown?: { delay?: number; timeout?: number; stopped?: keyof typeof ends };
}

/** Named `stopped` callbacks. */
const ends = {
  late: async () => {
    await sleep(20);
    console.log('The database is closed');
  },
  never: () => new Promise(() => setInterval(() => {}, 1_000)),
  rejects: () => Promise.reject(new Error('The database does not close')),
  nothing: () => {},
};

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
    if (this.shutdownSignal.aborted) throw new HttpError(503);
    return { status: 'OK' };
  }
}

/** Responds after a POST to /release. */
const unreleased: (() => void)[] = [];
class Slow extends RequestHandler {
  override async doGet() {
    await new Promise<void>((resolve) => unreleased.push(resolve));
    return 'slow';
  }
}

class Release extends RequestHandler {
  override async doPost() {
    await this.readJson();
    for (const response of unreleased.splice(0)) response();
    return 'released';
  }
}

class Late extends RequestHandler {
  override async doGet() {
    await sleep(Math.random() * 20);
    return 'late';
  }
}

let waiting = 0;
const arrivals = new EventTarget();

/** Waits until the client disconnects. */
class Waits extends RequestHandler {
  override async doGet() {
    const body = this.query.has('stream') ? this.endHeaders() : undefined;
    body?.write('begun');
    const disconnected = once(this.signal, 'abort');
    waiting++;
    arrivals.dispatchEvent(new Event('waiting'));
    await disconnected;
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

/** Responds once `count` requests are waiting. */
class Waiting extends RequestHandler {
  override async doGet() {
    while (waiting < Number(this.param('count'))) await once(arrivals, 'waiting');
    return waiting;
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

class Fails extends RequestHandler {
  override async doGet() {
    switch (this.param('how')) {
      case 'cause':
        throw new Error('outer failed', { cause: Object.assign(new Error('inner failed'), { code: 'ECONNREFUSED' }) });
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
      case 'crowd': {
        const crowd = Array.from({ length: 30 }, (_, index) => new Error(`number ${index}`));
        const all = new AggregateError(crowd, 'all of a crowd failed');
        for (const error of crowd) error.cause = all;
        throw all;
      }
      case 'hidden':
        throw Object.defineProperty(new Error('hidden'), 'code', {
          get() {
            throw new Error('no code');
          },
        });
      case 'revoked': {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        throw Object.assign(new Error('with a revoked cause'), { cause: proxy });
      }
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

const uncaught: Record<string, unknown> = {
  null: null,
  undefined,
  text: 'only a text',
  object: { reason: 'only an object' },
  error: new Error('an error', { cause: new Error('its cause') }),
};

/**
 * Raises the uncaught errors that the query lists, as in `?thrown=text&rejected=null`. It raises the first immediately,
 * and the others once the server is shutting down.
 */
class Uncaught extends RequestHandler {
  override doGet() {
    const [first, ...others] = this.query;
    setImmediate(raise, ...first!);
    const timer = setInterval(() => {
      if (!this.shutdownSignal.aborted) return;
      clearInterval(timer);
      for (const other of others) setImmediate(raise, ...other);
    }, 5);
    return 'soon';
  }
}

function raise(how: string, what: string): void {
  if (how === 'rejected') void Promise.reject(uncaught[what]);
  else throw uncaught[what];
}

class FailsToLog extends RequestHandler {
  override doGet() {
    const body = this.endHeaders();
    body.end('enough');
    body.write('too much');
  }
  override logError() {
    throw new Error('The log is gone');
  }
}

class FailsToLogLater extends RequestHandler {
  override doGet() {
    throw new Error('an error');
  }
  override async logError() {
    await null;
    throw new Error('The log is gone');
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

class Mark extends RequestHandler {
  override doGet() {
    throw 'a mark';
  }
}

class Fields extends RequestHandler {
  override doGet() {
    return 'logged';
  }
  override logRequest(line: AccessLogEntry) {
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
  static override readonly cors: CorsOptions = {
    origins: ['https://app.example.com'], credentials: true, methods: ['GET'], allowedHeaders: [],
  };
  override doGet() {
    this.sendHeader('X-Total-Count', 2);
    const cookie = this.query.get('cookie');
    if (cookie) this.sendHeader('Set-Cookie', cookie);
    return [];
  }
  override doPut() {}
}

class Decides extends Listed {
  static override readonly cors: CorsOptions = { origins: () => false };
}

const routes = {
  '/': Status,
  '/health': Health,
  '/slow': Slow,
  '/release': Release,
  '/late': Late,
  '/waits': Waits,
  '/waiting/:count': Waiting,
  '/throw': Throw,
  '/big': BigIntHandler,
  '/fails/:how': Fails,
  '/uncaught': Uncaught,
  '/fails-to-log': FailsToLog,
  '/fails-to-log-later': FailsToLogLater,
  '/prints': Prints,
  '/mark/:number': Mark,
  '/fields': Fields,
  '/short': Short,
  '/listed': Listed,
  '/cookies': WithCookies,
  '/items': Items,
  '/own-policy': OwnPolicy,
  '/decides': Decides,
};

// A plain `node --test` runs this file without an IPC channel. It then exits.
process.on('message', ({ shutdown, ...options }: SpawnedOptions) => {
  const server = createServer(routes, options);
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
  if (shutdown) stopOnSignals(server, { ...shutdown, stopped: ends[shutdown.stopped ?? 'nothing'] });
});
// Exit if the test process was killed.
process.on('disconnect', () => process.exit(1));
