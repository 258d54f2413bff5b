import type { IncomingMessage } from 'node:http';
import { LineWriter, escapeCharacter } from './line-writer.ts';
import { inspect } from './builtins.ts';

/** `text` for people, `json` for machines, one line a request; `off`: none. Errors are logged in each of the three. */
export type LogFormat = 'text' | 'json' | 'off';

export interface AccessLogEntry {
  readonly status: number;
  readonly milliseconds: number;
  readonly outcome?: 'client disconnected' | 'aborted' | undefined;
  readonly [field: string]: unknown;
}

/** Enough for anyone who develops; paths and origins are the client's to choose, and would fill the memory. */
const MAXIMUM_HINTS = 200;

const standardOutput = new LineWriter(1);
const standardError = new LineWriter(2);

/** One line for each answer, on standard output, and errors on standard error. */
export class Log {
  readonly format: LogFormat;
  readonly #hints = new Set<string>();

  constructor(format: LogFormat) {
    this.format = format;
  }

  /** @param address of the client, which a closed socket no longer knows */
  request(request: IncomingMessage, address: string | undefined, line: AccessLogEntry): void {
    if (this.format === 'json') return standardOutput.write(asJson(request, address, line));
    if (this.format === 'off') return;
    const { status, milliseconds, outcome, ...own } = line;
    const end = outcome ? `, ${outcome}` : '';
    const known = Object.entries(own).filter(([, value]) => value !== undefined);
    const fields = known.map(([name, value]) => ` ${name}=${String(value)}`).join('');
    const target = request.method ? `${request.method} ${request.url}` : '(no request)';
    this.say(`${target} ${status || '-'} ${milliseconds} ms${end}${fields}`);
  }

  /** Something about CORS, once; for people alone. */
  hint(text: string): void {
    if (this.#hints.has(text) || this.#hints.size >= MAXIMUM_HINTS) return;
    this.#hints.add(text);
    this.say(`cors: ${text}`);
  }

  /** A line for people alone. */
  say(text: string): void {
    if (this.format === 'text') standardOutput.write(`${clock()} ${escape(text)}`);
  }

  /** An error that no client is told, whole and with its causes. `where` says what was running. */
  error(error: unknown, where: string): void {
    standardError.write(
      this.format === 'json'
        ? JSON.stringify({ time: new Date(), level: 'error', where, ...describe(error) })
        : `${clock()} ${escape(where)}\n  ${show(error).split('\n').map(escape).join('\n  ')}`,
    );
  }
}

function asJson(request: IncomingMessage, address: string | undefined, line: AccessLogEntry): string {
  const { status, milliseconds, outcome } = line;
  const { url, headers } = request;
  const { host, origin, 'user-agent': userAgent, 'x-forwarded-for': forwardedFor } = headers;
  const time = timestamp();
  const target = url || undefined;
  const method = request.method ?? undefined;
  const fields = { time, method, target, status, milliseconds, address, forwardedFor, host, origin, userAgent };
  // Nearly all lines say no more, and to copy them would cost as much as to write them.
  const isAll = outcome === undefined && Object.keys(line).length === 2;
  return JSON.stringify(isAll ? fields : { ...fields, ...line });
}

/** Whatever was thrown; an object of one's own may make even its inspection throw. */
function show(error: unknown): string {
  try {
    return error instanceof Error ? shown(error) : `${shown(error)} was thrown`;
  } catch {
    return 'something that cannot be shown was thrown';
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value);
}

/** How many errors one line may hold: an error can be its own cause, or one of many that share theirs. */
const MAXIMUM_CAUSES = 20;

function describe(error: unknown, told = new Set<unknown>()): object {
  try {
    if (!(error instanceof Error)) return { error: show(error) };
    if (told.has(error) || told.size === MAXIMUM_CAUSES) return { error: shown(error.message) };
    told.add(error);
    const { cause, code, errors } = error as Error & { code?: unknown; errors?: unknown };
    return {
      error: shown(error.stack ?? error),
      code: code === undefined ? undefined : shown(code),
      cause: cause === undefined ? undefined : describe(cause, told),
      errors: Array.isArray(errors) ? errors.map((one) => describe(one, told)) : undefined,
    };
  } catch {
    return { error: show(error) };
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

/** A line feed could forge a line, and ESC steer the terminal of whoever reads it; JSON escapes them by itself. */
function escape(text: string): string {
  return text.replace(/[\x00-\x1f]/g, escapeCharacter);
}
