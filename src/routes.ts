import type { Routes } from './http/index.ts';
import { HealthHandler } from './handlers/health.ts';
import { NoteHandler, NotesHandler } from './handlers/notes.ts';
import { StatusHandler } from './handlers/status.ts';

/** Path -> handler class. `:id` stands for one part of the path: `this.param('id')`. */
export const routes: Routes = {
  '/': StatusHandler,
  '/notes': NotesHandler,
  '/notes/:id': NoteHandler,
  '/health': HealthHandler,
};
