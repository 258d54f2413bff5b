import type { Routes } from './http/index.ts';
import { HealthHandler } from './handlers/health.ts';
import { notesRoutes } from './handlers/notes.ts';
import { StatusHandler } from './handlers/status.ts';

/** Maps paths to handler classes. `:id` matches one path segment, which `this.param('id')` returns. */
export const routes = {
  '/': StatusHandler,
  '/health': HealthHandler,
  ...notesRoutes(),
} satisfies Routes;
