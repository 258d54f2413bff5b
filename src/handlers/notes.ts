import { config } from '../config.ts';
import { HttpError, RequestHandler, type StandardSchema } from '../http/index.ts';

export interface Note {
  title: string;
  text: string;
}

/** Any Standard Schema works here, such as zod's z.object({ … }). This one is written by hand. */
const noteSchema: StandardSchema<Note> = {
  '~standard': {
    version: 1,
    vendor: 'notes',
    validate(value) {
      const { title, text = '' } = (value ?? {}) as Partial<Record<keyof Note, unknown>>;
      const issues = [];
      const hasTitle = typeof title === 'string' && title.trim() !== '';
      if (!hasTitle) issues.push({ message: 'title is required and must not be blank', path: ['title'] });
      if (typeof text !== 'string') issues.push({ message: 'text must be a string', path: ['text'] });
      return issues.length ? { issues } : { value: { title, text } as Note };
    },
  },
};

/** The longest note. With the server's limit of 1 MiB, a thousand notes could take 1 GiB of memory. */
const MAX_NOTE_BYTES = 10_000;

/** Returns the routes of the notes, which are kept in memory. */
export function notesRoutes(notes = new Map<string, Note>(), limit = config.notesLimit) {
  class NotesHandler extends RequestHandler {
    static override readonly bodyLimit = MAX_NOTE_BYTES;

    override doGet() {
      return { notes: [...notes].map(([id, note]) => ({ id, ...note })) };
    }

    override async doPost() {
      const note = await this.readJson(noteSchema);
      if (notes.size >= limit) throw new HttpError(409, `The limit of ${limit} notes has been reached`);
      const id = crypto.randomUUID();
      notes.set(id, note);
      this.sendResponse(201);
      this.sendHeader('Location', `/notes/${id}`);
      return { id, ...note };
    }
  }

  class NoteHandler extends RequestHandler {
    static override readonly bodyLimit = MAX_NOTE_BYTES;

    override doGet() {
      const id = this.param('id');
      return { id, ...find(id) };
    }

    override async doPut() {
      const id = this.param('id');
      const note = await this.readJson(noteSchema);
      // After the body has been read, because another request may have deleted the note in the meantime.
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
    if (!note) throw new HttpError(404, 'Note not found');
    return note;
  }

  return { '/notes': NotesHandler, '/notes/:id': NoteHandler };
}
