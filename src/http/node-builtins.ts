import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * Node's own modules, but not by `import`, which reads all their exports, and so loads what lies behind each: with
 * http's WebSocket the whole client behind fetch(), with util the workers. That would be a sixth of a start, and 8 MB.
 */
export const http = require('node:http') as typeof import('node:http');
export const { inspect } = require('node:util') as typeof import('node:util');
export const { createHook } = require('node:async_hooks') as typeof import('node:async_hooks');
