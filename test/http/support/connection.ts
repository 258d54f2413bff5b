import { once } from 'node:events';
import { type Socket, connect as connectSocket } from 'node:net';
import { within } from './within.ts';

export const JSON_TYPE = 'Content-Type: application/json';

/** A test context or suite that runs cleanup callbacks. */
export interface Scope {
  after(end: () => void): void;
}

/** A raw TCP client. */
export class Connection {
  readonly socket: Socket;
  /** Everything received so far, as Latin-1. */
  received = '';
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => (this.received += chunk.toString('latin1')));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  static async open(t: Scope, port: number): Promise<Connection> {
    const socket = connectSocket({ port, host: '127.0.0.1', allowHalfOpen: false });
    await within('the server accepted a connection', once(socket, 'connect'));
    t.after(() => socket.destroy());
    return new Connection(socket);
  }

  /** Sends a string as Latin-1 bytes. */
  send(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Resolves with everything received once it contains `text`, and rejects if the connection closes first. */
  async until(text: string | RegExp): Promise<string> {
    const isThere = () => (typeof text === 'string' ? this.received.includes(text) : text.test(this.received));
    while (!isThere()) {
      if (this.socket.closed) {
        throw new Error(`The connection closed before ${text} came: ${JSON.stringify(this.received)}`);
      }
      await this.#within(`${text} came`, Promise.race([once(this.socket, 'data'), this.closed]));
    }
    return this.received;
  }

  /** Resolves with everything received once the server has closed the connection. */
  async untilClosed(): Promise<string> {
    await this.#within('the connection closed', this.closed);
    return this.received;
  }

  async #within(what: string, promise: Promise<unknown>): Promise<void> {
    try {
      await within(what, promise);
    } catch (error) {
      const { length } = this.received;
      const end = JSON.stringify(this.received.slice(-500));
      throw new Error(`${(error as Error).message}; ${length} characters came: ${end}`);
    }
  }
}

/** Sends bytes on a new connection and resolves with everything received until the server closes it. */
export async function sendRaw(t: Scope, port: number, bytes: string | Buffer): Promise<string> {
  const connection = await Connection.open(t, port);
  connection.send(bytes);
  return connection.untilClosed();
}

/** Sends bytes on a new connection and resolves with everything received up to the end of the first problem details. */
export async function sendUntilProblem(t: Scope, port: number, bytes: string | Buffer): Promise<string> {
  const connection = await Connection.open(t, port);
  connection.send(bytes);
  return connection.until(/\}$/);
}

/** Inputs that are not valid requests, with the expected response status (408 after `requestTimeout`). */
export const invalidRequests: readonly [status: number, bytes: string][] = [
  [400, 'garbage\r\n\r\n'],
  [405, 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n'],
  [408, 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n'],
  [431, requestBytes('GET /', [`X: ${'a'.repeat(17_000)}`])],
];

/** Builds a request from a request line, headers and a body. Only Host is added. */
export function requestBytes(requestLine: string, headers: readonly string[] = [], body = ''): string {
  const lines = ['Host: 127.0.0.1', ...headers].map((line) => `${line}\r\n`);
  return `${requestLine} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

/** Builds a request that announces a body of this length. */
export function announced(requestLine: string, length: number, headers: readonly string[] = []): string {
  return requestBytes(requestLine, [`Content-Length: ${length}`, ...headers]);
}

/** Builds a request with this body and Connection: close. */
export function withBody(requestLine: string, body: Buffer | string, headers: readonly string[] = []): Buffer {
  const head = announced(requestLine, Buffer.byteLength(body), ['Connection: close', ...headers]);
  return Buffer.concat([Buffer.from(head), Buffer.from(body)]);
}
