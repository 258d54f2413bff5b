import { once } from 'node:events';
import { type Socket, connect as connectSocket } from 'node:net';
import type { TestContext } from 'node:test';
import { within } from './waiting.ts';

/** A client that sends bytes as they are, and shows what came back. */
export class Connection {
  readonly socket: Socket;
  /** All that has been received so far, as Latin-1. */
  received = '';
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => (this.received += chunk.toString('latin1')));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  static async open(t: Pick<TestContext, 'after'>, port: number): Promise<Connection> {
    const socket = connectSocket({ port, host: '127.0.0.1', allowHalfOpen: false });
    await within('the server accepted a connection', once(socket, 'connect'));
    t.after(() => socket.destroy());
    return new Connection(socket);
  }

  /** Sends these characters as Latin-1 bytes. */
  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Resolves with all that has been received once it contains `text`; rejects where the connection closes without. */
  async until(text: string | RegExp): Promise<string> {
    const isThere = () => (typeof text === 'string' ? this.received.includes(text) : text.test(this.received));
    while (!isThere()) {
      if (this.socket.closed) throw new Error(`The connection closed before ${text} came: ${JSON.stringify(this.received)}`);
      await this.#within(`${text} came`, Promise.race([once(this.socket, 'data'), this.closed]));
    }
    return this.received;
  }

  /** Resolves with all that has been received once the server has closed the connection. */
  async untilClosed(): Promise<string> {
    await this.#within('the connection closed', this.closed);
    return this.received;
  }

  async #within(what: string, promise: Promise<unknown>): Promise<void> {
    try {
      await within(what, promise);
    } catch (error) {
      const { length } = this.received;
      throw new Error(`${(error as Error).message}; ${length} characters came: ${JSON.stringify(this.received.slice(-500))}`);
    }
  }
}

/** Sends bytes on a connection of their own, and resolves with all that came back until the server closed it. */
export async function sendRaw(t: Pick<TestContext, 'after'>, port: number, bytes: string | Buffer): Promise<string> {
  const connection = await Connection.open(t, port);
  connection.send(bytes);
  return connection.untilClosed();
}

/** The bytes of a request; every line that `headers` leaves out is left out, Host apart. */
export function requestBytes(requestLine: string, headers: readonly string[] = [], body = ''): string {
  return `${requestLine} HTTP/1.1\r\n${['Host: 127.0.0.1', ...headers].map((line) => `${line}\r\n`).join('')}\r\n${body}`;
}
