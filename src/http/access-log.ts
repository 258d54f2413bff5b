import type { IncomingMessage } from 'node:http';
import { LineWriter, escapeCharacter } from './line-writer.ts';

/** `text` for people, `json` for machines, one line a request; `off`: none. Errors are logged in each of the three. */
export type LogFormat = 'text' | 'json' | 'off';

/** What a line says of an answer. */
interface Answer {
  readonly request: IncomingMessage;
  readonly head: { readonly status: number };
  /** Of performance.now(). */
  readonly startedAt: number;
  /** The client did not wait for it. */
  readonly clientLeft: boolean;
}

/** Enough for anyone who develops; paths and origins are the client's to choose, and would fill the memory. */
const MAXIMUM_HINTS = 200;

const standardOutput = new LineWriter(1);
const standardError = new LineWriter(2);

/** One line for each answer, on standard output, and errors on standard error. */
export class Log {
  readonly #format: LogFormat;
  readonly #hints = new Set<string>();

  constructor(format: LogFormat) {
    this.#format = format;
  }

  /** The time by which a line says how long an answer took; no clock is read where no line will be written. */
  now(): number {
    return this.#format === 'off' ? 0 : performance.now();
  }

  /** Whether someone watches it while developing. */
  get isForPeople(): boolean {
    return this.#format === 'text';
  }

  /** Says something about CORS, once. */
  hint(text: string): void {
    if (this.#hints.has(text) || this.#hints.size >= MAXIMUM_HINTS) return;
    this.#hints.add(text);
    standardOutput.write(`${clock()} cors: ${escape(text)}`);
  }

  request({ request, head: { status }, startedAt, clientLeft }: Answer): void {
    if (this.#format === 'off') return;
    const milliseconds = Math.round((performance.now() - startedAt) * 1000) / 1000;
    const { method, url, headers, socket } = request;
    if (this.#format === 'text') {
      const left = clientLeft ? ', but the client had left' : '';
      standardOutput.write(`${clock()} ${escape(`${method} ${url}`)} ${status} ${milliseconds} ms${left}`);
      return;
    }
    const { 'x-forwarded-for': forwardedFor, host, origin, 'user-agent': userAgent } = headers;
    const address = socket.remoteAddress;
    const line = { time: timestamp(), method, target: url, status, milliseconds, address, forwardedFor, host, origin, userAgent };
    standardOutput.write(JSON.stringify(clientLeft ? { ...line, clientLeft } : line));
  }

  /** Something that is nobody's answer: `where` says whose. */
  error(error: unknown, where: string): void {
    const stack = error instanceof Error ? (error.stack ?? String(error)) : `${String(error)} was thrown`;
    standardError.write(
      this.#format === 'json'
        ? JSON.stringify({ time: new Date(), level: 'error', where, error: stack })
        : `${clock()} ${escape(where)}\n  ${stack.split('\n').map(escape).join('\n  ')}`,
    );
  }
}

let millisecond = 0;
let stamp = '';

/** Writing a time costs as much as the rest of the line: under load, many lines share theirs. */
function timestamp(): string {
  const now = Date.now();
  if (now !== millisecond) {
    millisecond = now;
    stamp = new Date(now).toISOString();
  }
  return stamp;
}

function clock(): string {
  return new Date().toTimeString().slice(0, 8);
}

/** A line feed could otherwise forge a line, and ESC steer the terminal of whoever reads it; JSON escapes them by itself. */
function escape(text: string): string {
  return text.replace(/[\x00-\x1f]/g, escapeCharacter);
}
