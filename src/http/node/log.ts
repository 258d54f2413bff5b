import type { IncomingMessage } from 'node:http';
import { inspect } from './builtins.ts';
import { LineWriter } from './line-writer.ts';

/** Format of the access log: one line per request as `text` or `json`, or `off`. Errors are always logged. */
export type LogFormat = 'text' | 'json' | 'off';

/** What the access log says about a request. */
export interface AccessLogEntry {
  /** 0 if no response was started. */
  readonly status: number;
  readonly milliseconds: number;
  /** Absent if the response was completed. */
  readonly outcome?: 'client disconnected' | 'aborted';
  /** Fields of your own. */
  readonly [field: string]: unknown;
}

/** Limits memory use: hints contain paths and origins, which clients control. */
const MAX_HINTS = 200;

type Write = (line: string) => void;
const writers: { 1?: Write; 2?: Write } = {};

/** Writes one line per request to standard output, and errors to standard error. */
export class Log {
  readonly format: LogFormat;
  readonly #hints = new Set<string>();

  constructor(format: LogFormat) {
    this.format = format;
  }

  /** @param address the client's address, which a closed socket no longer knows */
  request(request: IncomingMessage, address: string | undefined, entry: AccessLogEntry): void {
    if (this.format === 'json') {
      write(1, asJson(request, address, entry));
    } else if (this.format === 'text') {
      const { status, milliseconds, outcome, ...own } = entry;
      const what = request.method ? `${request.method} ${request.url}` : '(no request)';
      const known = Object.entries(own).filter(([, value]) => value !== undefined);
      const fields = known.map(([name, value]) => ` ${name}=${String(value)}`).join('');
      this.say(`${what} ${status || '-'} ${milliseconds} ms${outcome ? `, ${outcome}` : ''}${fields}`);
    }
  }

  /** Writes a hint about CORS, once; text format only. */
  hint(text: string): void {
    if (this.format !== 'text' || this.#hints.has(text) || this.#hints.size >= MAX_HINTS) return;
    this.#hints.add(text);
    this.say(`cors: ${text}`);
  }

  /** Writes a message; text format only. */
  say(text: string): void {
    if (this.format === 'text') write(1, `${clock()} ${escape(text)}`);
  }

  /** Writes an error with its stack and causes. `where` names the code that was running. */
  error(error: unknown, where: string): void {
    const text = describe(error);
    const code = property(error, 'code');
    write(
      2,
      this.format === 'json'
        ? escape(JSON.stringify({ time: new Date(), level: 'error', where, error: text, code }))
        : `${clock()} ${escape(where)}\n  ${text.split('\n').map(escape).join('\n  ')}`,
    );
  }
}

function write(descriptor: 1 | 2, line: string): void {
  writers[descriptor] ??= writerTo(descriptor);
  writers[descriptor](line);
}

function writerTo(descriptor: 1 | 2): Write {
  const stream = descriptor === 1 ? process.stdout : process.stderr;
  // Process managers such as pm2 replace the method, and what bypasses it is lost.
  if (Object.hasOwn(stream, 'write')) return (line) => void stream.write(`${line}\n`);
  const writer = new LineWriter(descriptor);
  return (line) => writer.write(line);
}

function asJson({ method, url, headers }: IncomingMessage, address: string | undefined, entry: AccessLogEntry): string {
  const { host, origin, 'user-agent': userAgent, 'x-forwarded-for': forwardedFor } = headers;
  const request = {
    time: timestamp(), method: method || undefined, target: url || undefined,
    // Fields of the entry, in the order of reading.
    status: 0, milliseconds: 0, outcome: undefined, address, forwardedFor, host, origin, userAgent,
  };
  // Measured: much faster than to spread the entry.
  const line = JSON.stringify(Object.assign(request, entry));
  // Nearly every line is ASCII. JSON.stringify has escaped the control characters below the space.
  return Buffer.byteLength(line) === line.length && !line.includes('\x7f') ? line : escape(line);
}

/** Describes whatever was thrown, with its causes. A value may throw while it is inspected, as may its causes. */
function describe(error: unknown): string {
  try {
    if (error instanceof Error) return inspect(error);
    return `${typeof error === 'string' ? error : inspect(error)} was thrown`;
  } catch {
    return property(error, 'stack') ?? 'A value that cannot be inspected was thrown';
  }
}

function property(error: unknown, name: 'code' | 'stack'): string | undefined {
  try {
    const value = (error as Record<string, unknown>)[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
  } catch {
    return undefined;
  }
}

let millisecond = 0;
let stamp = '';

/** Formatting a time takes as long as the rest of the line, so all lines of a millisecond share it. */
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

/** Escapes control characters as JSON does: a line feed could forge a line, and ESC or CSI control a terminal. */
function escape(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
