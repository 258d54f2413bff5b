import { createRequire } from 'node:module';

/**
 * Node's own module, but not by `import`, which reads all its exports: with WebSocket, node 22 and newer load the whole
 * client behind fetch(). That would be a sixth of a start, and 8 MB.
 */
export const http = createRequire(import.meta.url)('node:http') as typeof import('node:http');
