import { write, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** How long lines are gathered to be written together, in milliseconds: a write costs more than a request. */
const GATHER = 50;
/** How long a pipe that is full, and does not block, is left alone, in milliseconds. */
const RETRY = 5;
/** How much may wait for a reader that has stopped reading, in bytes; lines beyond are counted, not kept. */
const MAXIMUM_BACKLOG = 16 * 1024 * 1024;
/** The room that lines are gathered in, and the most that is kept of it once it has grown, in bytes. */
const ROOM = 64 * 1024;
const MAXIMUM_ROOM = 4 * 1024 * 1024;
/** How long the last lines may take at exit, and each on a terminal, in milliseconds. */
const LAST_WRITE = 1_000;
/** Waited for, and never woken: the one way to sleep within a tick. */
const CLOCK = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes lines to a file descriptor without ever blocking the event loop: process.stdout would, wherever a pipe has a
 * slow reader. What is still waiting when the process exits is written then. On a terminal each line is there at once.
 */
export class LineWriter {
  readonly #descriptor: number;
  readonly #isTerminal: boolean;
  /** Lines are gathered in the one while the other is written. */
  #gathering = Buffer.allocUnsafeSlow(ROOM);
  #writing = Buffer.allocUnsafeSlow(ROOM);
  /** What of `#gathering` is lines: in bytes, and in characters, as many where all are ASCII. */
  #length = 0;
  #characters = 0;
  #dropped = 0;
  /** What of `#writing` is not yet written. */
  #chunk = Buffer.alloc(0);
  #isWriting = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.#isTerminal = isatty(descriptor);
    process.once('exit', () => this.#writeNow());
  }

  write(line: string): void {
    if (this.#length > MAXIMUM_BACKLOG) {
      this.#dropped++;
      return;
    }
    this.#add(line);
    // A person reads along, and the lines of both descriptors in their order.
    if (this.#isTerminal && !this.#isWriting) this.#writeNow();
    if (this.#length > 0 || this.#chunk.length > 0) this.#wake(GATHER);
  }

  /** At once as bytes: strings that wait to be written would have to be moved by V8's quick collections. */
  #add(line: string): void {
    // UTF-8 needs up to three bytes for each of a string's units.
    const end = this.#length + 3 * line.length + 1;
    if (end > this.#gathering.length) this.#gathering = Buffer.concat([this.#gathering], 2 * end);
    this.#length += this.#gathering.write(line, this.#length);
    this.#gathering[this.#length++] = 0x0a;
    this.#characters += line.length + 1;
  }

  #wake(milliseconds: number): void {
    if (this.#timer || this.#isWriting) return;
    this.#timer = setTimeout(() => this.#writeSome(), milliseconds).unref();
  }

  #take(): boolean {
    if (this.#chunk.length > 0) return true;
    if (this.#dropped) this.#add(`… ${this.#dropped} lines were dropped: nobody read the log`);
    [this.#gathering, this.#writing] = [this.#writing, this.#gathering];
    this.#chunk = this.#writing.subarray(0, this.#length);
    if (this.#characters !== this.#length || this.#chunk.includes(0x7f)) this.#chunk = escaped(this.#chunk);
    if (this.#gathering.length > MAXIMUM_ROOM) this.#gathering = Buffer.allocUnsafeSlow(ROOM);
    this.#length = 0;
    this.#characters = 0;
    this.#dropped = 0;
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
      else if (this.#length > 0) this.#wake(GATHER);
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
        else Atomics.wait(CLOCK, 0, 0, RETRY);
      }
    }
  }
}

/** Escapes what terminals obey and JSON.stringify leaves alone: DEL, and the C1 controls. */
function escaped(lines: Buffer): Buffer<ArrayBuffer> {
  return Buffer.from(lines.toString().replace(/[\x7f-\x9f]/g, escapeCharacter));
}

/** As JSON writes it. */
export function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
