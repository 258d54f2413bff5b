import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { responseLength } from './response.ts';

/** A server and the requests to send. */
export interface Contestant {
  readonly port: number;
  /** The bytes of each, sent in turn. */
  readonly requests: readonly string[];
  /** The number of connections that are open but not in use. */
  readonly idleConnections?: number;
}

/**
 * A message from BlockClient. It contains the servers to connect to, or a number of requests to send to one of them.
 */
export type Order = readonly Contestant[] | { readonly contestant: number; readonly count: number };

const CONNECTIONS = 25;

class Pool {
  readonly #sockets: readonly Socket[];
  readonly #requests: readonly string[];
  #sent = 0;

  private constructor(sockets: readonly Socket[], requests: readonly string[]) {
    this.#sockets = sockets;
    this.#requests = requests;
  }

  static async open({ port, requests, idleConnections = 0 }: Contestant): Promise<Pool> {
    const open = async () => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      socket.once('close', () => report('The server closed a connection'));
      return socket;
    };
    // One request on each, because node treats a connection that was never used differently.
    const idle = new Pool(await Promise.all(Array.from({ length: idleConnections }, open)), requests);
    await idle.send(idleConnections);
    return new Pool(await Promise.all(Array.from({ length: CONNECTIONS }, open)), requests);
  }

  async send(count: number): Promise<void> {
    const end = this.#sent + count;
    await Promise.all(this.#sockets.map((socket) => this.#sendOn(socket, end)));
  }

  #sendOn(socket: Socket, end: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let text = '';
      const next = () => {
        if (this.#sent < end) return void socket.write(this.#requests[this.#sent++ % this.#requests.length]!);
        socket.removeAllListeners('data');
        resolve();
      };
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (responseLength(text) !== text.length) return;
        if (!text.startsWith('HTTP/1.1 2')) reject(new Error(`The server sent ${JSON.stringify(text)}`));
        text = '';
        next();
      });
      next();
    });
  }
}

let pools: readonly Pool[] = [];
let isBusy = false;

process.on('message', (order: Order) => {
  isBusy = true;
  spin();
  carryOut(order).then(
    () => report('done'),
    (error: unknown) => report(String(error)),
  );
});
process.on('disconnect', () => process.exit());

async function carryOut(order: Order): Promise<void> {
  if ('count' in order) await pools[order.contestant]!.send(order.count);
  else pools = await Promise.all(order.map((contestant) => Pool.open(contestant)));
}

function report(text: string): void {
  isBusy = false;
  // The callback ignores an error, because the run is over when nobody listens.
  process.send!(text, () => {});
}

/**
 * Keeps this process busy while it waits. The kernel charges waking a sleeping client to the server that writes, which
 * would amplify small differences.
 */
function spin(): void {
  if (isBusy) setImmediate(spin);
}
