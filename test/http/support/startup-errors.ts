import { type Routes, type ServerOptions, createServer } from '../../../src/http/index.ts';

/** Returns the errors, one a line, with which createServer() rejects these routes and options. */
export function startupErrors(routes: Routes, options: ServerOptions = {}): string[] {
  try {
    createServer(routes, options);
  } catch (error) {
    return (error as Error).message.split('\n').slice(1);
  }
  return [];
}
