import type { Routes } from './http/index.ts';
import { HealthHandler } from './handlers/health.ts';
import { notesRoutes } from './handlers/notes.ts';
import { StatusHandler } from './handlers/status.ts';

/**
 * Maps paths to handler classes. `:id` matches one path segment, which `this.param('id')` returns. One class has all
 * methods of a path: of two spreads with the same path, the later one replaces the earlier.
 */
export const routes = {
  '/': StatusHandler,
  '/health': HealthHandler,
  ...notesRoutes(),
} satisfies Routes;
