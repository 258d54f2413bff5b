import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * Node modules that are required instead of imported. An `import` reads every export, and so loads modules that the
 * server does not use, such as the WebSocket client of http. The cost at start is measured in
 * scripts/maintenance/bench/README.md.
 */
export const http = require('node:http') as typeof import('node:http');
export const { inspect } = require('node:util') as typeof import('node:util');
export const { AsyncResource, createHook } = require('node:async_hooks') as typeof import('node:async_hooks');
