import { write, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** How long lines are gathered to be written together, in milliseconds: a write costs more than a request. */
const GATHER = 50;
/** How long a pipe that is full, and does not block, is left alone, in milliseconds. */
const RETRY = 5;
/** How much may wait for a reader that has stopped reading, in characters; lines beyond are counted, not kept. */
const MAXIMUM_BACKLOG = 16 * 1024 * 1024;
/** How long the last lines may take at exit, and each on a terminal, in milliseconds. */
const LAST_WRITE = 1_000;

/**
 * Writes lines to a file descriptor without ever blocking the event loop: process.stdout would, wherever a pipe has a
 * slow reader. What is still waiting when the process exits is written then. On a terminal each line is there at once.
 */
export class LineWriter {
  readonly #descriptor: number;
  readonly #isTerminal: boolean;
  #lines = '';
  #dropped = 0;
  /** Taken from `#lines`, and not yet all written. */
  #chunk = Buffer.alloc(0);
  #isWriting = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.#isTerminal = isatty(descriptor);
    process.once('exit', () => this.#writeNow());
  }

  write(line: string): void {
    if (this.#lines.length > MAXIMUM_BACKLOG) {
      this.#dropped++;
      return;
    }
    this.#lines += `${line}\n`;
    // A person reads along, and the lines of both descriptors in their order.
    if (this.#isTerminal && !this.#isWriting) this.#writeNow();
    if (this.#lines || this.#chunk.length > 0) this.#wake(GATHER);
  }

  #wake(milliseconds: number): void {
    if (this.#timer || this.#isWriting) return;
    this.#timer = setTimeout(() => this.#writeSome(), milliseconds).unref();
  }

  #take(): boolean {
    if (this.#chunk.length === 0) {
      if (this.#dropped) this.#lines += `… ${this.#dropped} lines were dropped: nobody read the log\n`;
      this.#chunk = encode(this.#lines);
      this.#lines = '';
      this.#dropped = 0;
    }
    return this.#chunk.length > 0;
  }

  #writeSome(): void {
    this.#timer = undefined;
    if (!this.#take()) return;
    this.#isWriting = true;
    write(this.#descriptor, this.#chunk, (error, written) => {
      this.#isWriting = false;
      // A full pipe that does not block says EAGAIN: try again. Any other error means that nobody will ever read.
      this.#chunk = error && error.code !== 'EAGAIN' ? Buffer.alloc(0) : this.#chunk.subarray(error ? 0 : written);
      if (this.#chunk.length > 0) this.#wake(RETRY);
      else if (this.#lines) this.#wake(GATHER);
    });
  }

  /** Writes all that waits, for as long as LAST_WRITE; a write that is under way completes by itself. */
  #writeNow(): void {
    if (this.#isWriting) this.#chunk = Buffer.alloc(0);
    const deadline = Date.now() + LAST_WRITE;
    while (this.#take() && Date.now() < deadline) {
      try {
        this.#chunk = this.#chunk.subarray(writeSync(this.#descriptor, this.#chunk));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') this.#chunk = Buffer.alloc(0);
      }
    }
  }
}

/**
 * Escapes what terminals obey and JSON.stringify leaves alone: DEL, and the C1 controls. Whether there is any is asked
 * once for many lines: of each, it would cost a request 3 %.
 */
function encode(lines: string): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(lines);
  const isPlain = bytes.length === lines.length && !bytes.includes(0x7f);
  return isPlain ? bytes : Buffer.from(lines.replace(/[\x7f-\x9f]/g, escapeCharacter));
}

/** As JSON writes it. */
export function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
