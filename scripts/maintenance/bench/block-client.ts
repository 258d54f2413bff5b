import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { answerLength } from './answer.ts';

/** A server, and what it is asked. */
export interface Contestant {
  readonly port: number;
  /** As bytes, sent in turn. */
  readonly requests: readonly string[];
  /** How many connections are open beside those in use. */
  readonly idleConnections?: number;
}

/** What BlockClient asks of this process: first to connect to all, then to send `count` requests to one. */
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
    // Each has had an answer once: a connection that was never used is another thing.
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
        if (answerLength(text) !== text.length) return;
        if (!text.startsWith('HTTP/1.1 2')) reject(new Error(`The server answered ${JSON.stringify(text)}`));
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
  obey(order).then(
    () => report('done'),
    (error: unknown) => report(String(error)),
  );
});
process.on('disconnect', () => process.exit());

async function obey(order: Order): Promise<void> {
  if ('count' in order) await pools[order.contestant]!.send(order.count);
  else pools = await Promise.all(order.map((contestant) => Pool.open(contestant)));
}

function report(text: string): void {
  isBusy = false;
  // Where nobody listens any more, the run is over.
  process.send!(text, () => {});
}

/**
 * A client that sleeps has to be woken by the server's write, at the server's cost: that would be charged to whichever
 * server is the slower one, and double a small difference.
 */
function spin(): void {
  if (isBusy) setImmediate(spin);
}
