import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** How long lines are gathered into one write, because a write costs more than a request. */
const FLUSH_DELAY_MS = 50;
/** Delay before the next attempt after a write that failed. */
const RETRY_DELAY_MS = 10;
/** Size of the buffer for lines that wait. The operating system provides the memory when it is first used. */
const BUFFER_BYTES = 16 * 1024 * 1024;
/** Time that all pending lines together may take when the process exits. */
const EXIT_TIMEOUT_MS = 1_000;
/** Errors that mean that nobody will ever read the lines. Others may pass, such as that of a full pipe or disk. */
const READER_CLOSED_CODES = ['EPIPE', 'ECONNRESET', 'EIO', 'EBADF'];
/** Memory that nothing notifies. Atomics.wait() on it is the only way to sleep synchronously. */
const NEVER_NOTIFIED = new Int32Array(new SharedArrayBuffer(4));

let exitDeadlineMs: number | undefined;

/**
 * Writes lines to a file descriptor without blocking the event loop when a pipe is full or a terminal is stopped. Lines
 * that cannot be written wait in a buffer. When it is full, lines are dropped and counted until it is empty again. On a
 * terminal, each line is written immediately.
 */
export class LineWriter {
  readonly #descriptor: number;
  readonly #isTerminal: boolean;
  /** Lines are encoded at once, because V8's garbage collector would copy waiting strings again and again. */
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** The part of `#buffer` that waits. It may begin in the middle of a line. */
  #start = 0;
  #end = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(descriptor: number) {
    this.#descriptor = nonBlocking(descriptor);
    this.#isTerminal = isatty(descriptor);
    process.once('exit', () => this.#flushAtExit());
  }

  /** Writes a line from JSON.stringify() or escape(). JSON.stringify() does not escape the characters from DEL on. */
  write(line: string): void {
    // A UTF-16 code unit takes at most six bytes, those of an escaped control character.
    if (this.#dropped > 0 || this.#end + 6 * line.length >= BUFFER_BYTES) this.#dropped++;
    else this.#append(line);
    if (this.#isTerminal && !this.#timer) this.#flush();
    else this.#flushIn(FLUSH_DELAY_MS);
  }

  #append(line: string): void {
    let bytes = this.#buffer.write(line, this.#end);
    // A line with a control character above DEL has more bytes than code units. Searching all has a measurable cost.
    if (bytes !== line.length || line.includes('\x7f')) bytes = this.#buffer.write(escape(line), this.#end);
    this.#end += bytes;
    this.#buffer[this.#end++] = 0x0a;
  }

  #flushIn(milliseconds: number): void {
    this.#timer ??= setTimeout(() => this.#flush(), milliseconds).unref();
  }

  /** Writes as much as possible. Returns whether nothing waits any more. */
  #flush(): boolean {
    this.#timer = undefined;
    try {
      while (this.#start < this.#end) {
        this.#start += writeSync(this.#descriptor, this.#buffer, this.#start, this.#end - this.#start);
      }
    } catch (error) {
      if (READER_CLOSED_CODES.includes((error as NodeJS.ErrnoException).code ?? '')) this.#start = this.#end;
    }
    // Moving the rest after each partial write would take quadratic time.
    if (this.#start === this.#end || this.#start > BUFFER_BYTES / 2) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    if (this.#dropped > 0 && this.#end === 0) {
      // This line is JSON in every format, because a log of JSON lines must have no other line.
      const error = `${this.#dropped} lines were dropped because the log could not be written`;
      this.#append(JSON.stringify({ time: new Date(), level: 'error', error }));
      this.#dropped = 0;
    }
    if (this.#end > 0) this.#flushIn(RETRY_DELAY_MS);
    return this.#end === 0;
  }

  #flushAtExit(): void {
    exitDeadlineMs ??= performance.now() + EXIT_TIMEOUT_MS;
    while (!this.#flush() && performance.now() < exitDeadlineMs) Atomics.wait(NEVER_NOTIFIED, 0, 0, RETRY_DELAY_MS);
  }
}

/** Escapes control characters as JSON does, because ESC and CSI control a terminal. Keeps line feeds. */
export function escape(text: string): string {
  return text.replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/**
 * Returns a descriptor of the same pipe or terminal, opened again, whose writes fail with EAGAIN instead of blocking.
 * To set the flag on the original would set it for every process that shares it. A descriptor that cannot be opened
 * again, such as a socket, is used as it is. Node makes a socket non-blocking when process.stdout is first read.
 */
function nonBlocking(descriptor: number): number {
  try {
    // Opened again, a file would be written from its beginning.
    if (fstatSync(descriptor).isFile()) return descriptor;
    return openSync(`/dev/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return descriptor;
  }
}
