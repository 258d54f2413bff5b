import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * Node modules that are required instead of imported. An `import` reads every export, and so loads what lies behind
 * each: the WebSocket client behind http, the workers behind util. What that costs a start is measured in
 * scripts/maintenance/bench/README.md.
 */
export const http = require('node:http') as typeof import('node:http');
export const { inspect } = require('node:util') as typeof import('node:util');
export const { createHook } = require('node:async_hooks') as typeof import('node:async_hooks');
