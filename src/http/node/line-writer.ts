import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** How long lines are gathered into one write, because a write costs more than a request. */
const FLUSH_DELAY_MS = 50;
/** Delay before the next attempt when a pipe is full or a terminal is stopped. */
const EAGAIN_DELAY_MS = 10;
/** Delay before the next attempt after any other error that may pass, such as a full disk. */
const ERROR_DELAY_MS = 1_000;
/** Size that the buffer starts with, and returns to when a backlog has been written. */
const BUFFER_BYTES = 1024 * 1024;
/** Further lines are dropped and counted. */
const MAX_BACKLOG_BYTES = 16 * 1024 * 1024;
/** Time that all pending lines together may take when the process exits. */
const EXIT_TIMEOUT_MS = 1_000;
/** Errors that mean that nobody will ever read the lines. Any other error may pass. */
const READER_CLOSED_CODES = ['EPIPE', 'ECONNRESET', 'EIO', 'EBADF'];
/** Never notified: waiting for it is the only way to sleep synchronously. */
const SLEEP = new Int32Array(new SharedArrayBuffer(4));

let exitDeadline: number | undefined;

/**
 * Writes lines to a file descriptor without blocking the event loop when a pipe is full or a terminal is stopped. Lines
 * that cannot be written wait. On a terminal, each line is written immediately.
 */
export class LineWriter {
  readonly #descriptor: number;
  readonly #isTerminal: boolean;
  /** Lines are encoded at once: waiting strings would be copied by V8's garbage collector again and again. */
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  /** The part of `#buffer` that waits to be written. It may begin in the middle of a line. */
  #start = 0;
  #end = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(descriptor: number) {
    this.#descriptor = nonBlocking(descriptor);
    this.#isTerminal = isatty(descriptor);
    process.once('exit', () => this.#flushAtExit());
  }

  write(line: string): void {
    if (this.#end - this.#start > MAX_BACKLOG_BYTES) {
      this.#dropped++;
      return;
    }
    this.#addDropped();
    this.#add(line);
    if (this.#timer) return;
    if (this.#isTerminal) this.#flush();
    else this.#flushIn(FLUSH_DELAY_MS);
  }

  #add(line: string): void {
    const length = Buffer.byteLength(line) + 1;
    if (this.#end + length > this.#buffer.length) {
      const waiting = this.#buffer.subarray(this.#start, this.#end);
      this.#buffer = Buffer.concat([waiting], 2 * (waiting.length + length));
      this.#start = 0;
      this.#end = waiting.length;
    }
    this.#end += this.#buffer.write(line, this.#end);
    this.#buffer[this.#end++] = 0x0a;
  }

  /** Says where lines are missing, as JSON in every format: a log of JSON lines must have no other line. */
  #addDropped(): void {
    if (this.#dropped === 0) return;
    const error = `${this.#dropped} lines were dropped because the log could not be written`;
    this.#dropped = 0;
    this.#add(JSON.stringify({ time: new Date(), level: 'error', error }));
  }

  #flushIn(milliseconds: number): void {
    this.#timer = setTimeout(() => this.#flush(), milliseconds).unref();
  }

  /** Writes until nothing waits. Returns the code of an error that may pass. */
  #flush(): string | undefined {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#hasWaiting()) {
      try {
        this.#start += writeSync(this.#descriptor, this.#buffer, this.#start, this.#end - this.#start);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code ?? '';
        if (!READER_CLOSED_CODES.includes(code)) {
          this.#flushIn(code === 'EAGAIN' ? EAGAIN_DELAY_MS : ERROR_DELAY_MS);
          return code;
        }
        this.#start = this.#end;
        this.#dropped = 0;
      }
    }
    this.#start = this.#end = this.#dropped = 0;
    if (this.#buffer.length > BUFFER_BYTES) this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    return undefined;
  }

  #hasWaiting(): boolean {
    if (this.#start === this.#end) this.#addDropped();
    return this.#start < this.#end;
  }

  #flushAtExit(): void {
    exitDeadline ??= performance.now() + EXIT_TIMEOUT_MS;
    while (this.#flush() === 'EAGAIN' && performance.now() < exitDeadline) {
      Atomics.wait(SLEEP, 0, 0, EAGAIN_DELAY_MS);
    }
  }
}

/**
 * Returns a descriptor of the same pipe or terminal, opened again, whose writes fail with EAGAIN instead of blocking.
 * To set the flag on the original would set it for every process that shares it. What cannot be opened again is used
 * as it is: Node itself makes a socket non-blocking, and a pipe too, when process.stdout is first read.
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
