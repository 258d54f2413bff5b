import type { IncomingMessage } from 'node:http';
import { inspect } from './builtins.ts';
import { LineWriter, escape } from './line-writer.ts';

/** Format of the access log, which has one line per request. Errors are logged even if it is `off`. */
export type LogFormat = 'text' | 'json' | 'off';

/** The fields of an access log entry. */
export interface AccessLogEntry {
  /** 0 if no response was started. */
  readonly status: number;
  readonly milliseconds: number;
  /** Absent if the response was completed. */
  readonly outcome?: 'client disconnected' | 'aborted';
  /** Why the bytes received are not a request. */
  readonly detail?: string | undefined;
  /** Fields of your own. */
  readonly [field: string]: unknown;
}

/** Maximum number of different hints. Clients control the origins, methods and header names in them. */
const MAX_HINTS = 200;

/** Writes one line per request to standard output, and errors to standard error. */
export class Log {
  readonly format: LogFormat;
  readonly #hints = new Set<string>();

  constructor(format: LogFormat) {
    this.format = format;
  }

  /**
   * Writes the entry of a request.
   *
   * @param address the client's address, which a closed socket no longer knows
   */
  request(
    { method, url, headers }: IncomingMessage, address: string | undefined,
    { status, milliseconds, outcome, ...own }: AccessLogEntry,
  ): void {
    if (this.format === 'json') {
      const { host, origin, 'user-agent': userAgent, 'x-forwarded-for': forwardedFor } = headers;
      write(1, JSON.stringify({
        time: timestamp(), method: method || undefined, target: url || undefined, status, milliseconds, outcome,
        address, forwardedFor, host, origin, userAgent, ...own,
      }));
    } else if (this.format === 'text') {
      const fields = Object.entries(own).filter(([, value]) => value !== undefined);
      const text = fields.map(([name, value]) => ` ${name}=${String(value)}`).join('');
      const requestText = method ? `${method} ${url}` : '(no request)';
      this.say(`${requestText} ${status || '-'} ${milliseconds} ms${outcome ? `, ${outcome}` : ''}${text}`);
    }
  }

  /** Writes a hint about CORS once, if the format is text. */
  hint(text: string): void {
    if (this.#hints.has(text) || this.#hints.size >= MAX_HINTS) return;
    this.#hints.add(text);
    this.say(`cors: ${text}`);
  }

  /** Writes a message, if the format is text. */
  say(text: string): void {
    // A line feed could forge a line.
    if (this.format === 'text') write(1, `${clock()} ${escape(text).replaceAll('\n', '\\u000a')}`);
  }

  /** Writes an error with its stack and causes. `where` names the code that was running. */
  error(error: unknown, where: string): void {
    const text = describe(error);
    const code = property(error, 'code');
    if (this.format === 'json') {
      write(2, JSON.stringify({ time: new Date(), level: 'error', where, error: text, code }));
    } else {
      write(2, `${clock()} ${escape(`${where}\n${text}`).replaceAll('\n', '\n  ')}`);
    }
  }
}

const writers: Record<number, Pick<LineWriter, 'write'>> = {};

function write(descriptor: 1 | 2, line: string): void {
  writers[descriptor] ??= writerTo(descriptor);
  writers[descriptor].write(line);
}

function writerTo(descriptor: 1 | 2): Pick<LineWriter, 'write'> {
  const stream = descriptor === 1 ? process.stdout : process.stderr;
  if (!Object.hasOwn(stream, 'write')) return new LineWriter(descriptor);
  // Process managers such as pm2 replace the method, and lines that bypass it are lost.
  return { write: (line) => void stream.write(`${escape(line)}\n`) };
}

/** Describes whatever was thrown, with its causes. Reading any part of it may throw. */
function describe(error: unknown): string {
  try {
    return error instanceof Error ? inspect(error) : `${typeof error === 'string' ? error : inspect(error)} was thrown`;
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

let latest = { milliseconds: 0, text: '' };

/** Returns the current time. All lines of a millisecond share the text, because formatting it is slow. */
function timestamp(): string {
  const milliseconds = Date.now();
  if (milliseconds !== latest.milliseconds) latest = { milliseconds, text: new Date(milliseconds).toISOString() };
  return latest.text;
}

function clock(): string {
  return new Date().toTimeString().slice(0, 8);
}
