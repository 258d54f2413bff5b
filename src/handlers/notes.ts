import { config } from '../config.ts';
import { HttpError, RequestHandler, type StandardSchema } from '../http/index.ts';

interface Note {
  title: string;
  text: string;
}

const notes = new Map<string, Note>();

/** Any Standard Schema will do here: zod's z.object({ … }), for one. This one is written by hand. */
const noteSchema: StandardSchema<Note> = {
  '~standard': {
    version: 1,
    vendor: 'notes',
    validate(value) {
      const { title, text = '' } = (value ?? {}) as Partial<Record<keyof Note, unknown>>;
      const issues = [];
      const hasTitle = typeof title === 'string' && title.trim() !== '';
      if (!hasTitle) issues.push({ message: 'Give the note a title', path: ['title'] });
      if (typeof text !== 'string') issues.push({ message: 'Write the text as a string', path: ['text'] });
      return issues.length ? { issues } : { value: { title, text } as Note };
    },
  },
};

/** In bytes: a thousand notes of the server's own limit would fill its memory. */
const NOTE_LIMIT = 10_000;

export class NotesHandler extends RequestHandler {
  static override readonly bodyLimit = NOTE_LIMIT;

  override doGet() {
    return { notes: [...notes].map(([id, note]) => ({ id, ...note })) };
  }

  override async doPost() {
    const note = await this.readJson(noteSchema);
    if (notes.size >= config.notesLimit) throw new HttpError(409, 'There is no room for another note');
    const id = crypto.randomUUID();
    notes.set(id, note);
    this.sendResponse(201);
    this.sendHeader('Location', `/notes/${id}`);
    return { id, ...note };
  }
}

export class NoteHandler extends RequestHandler {
  static override readonly bodyLimit = NOTE_LIMIT;

  override doGet() {
    const id = this.param('id');
    return { id, ...find(id) };
  }

  override async doPut() {
    const id = this.param('id');
    const note = await this.readJson(noteSchema);
    // Not before: while the body came, the note may have been deleted.
    find(id);
    notes.set(id, note);
    return { id, ...note };
  }

  override doDelete() {
    const id = this.param('id');
    find(id);
    notes.delete(id);
  }
}

function find(id: string): Note {
  const note = notes.get(id);
  if (!note) throw new HttpError(404, 'There is no such note');
  return note;
}
