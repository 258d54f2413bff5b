/** Checks that `node src/main.ts` serves without any install and without a warning, on the Node that runs this. */
import assert from 'node:assert/strict';
import { Command } from './process.ts';

const server = new Command(`exec "${process.execPath}" src/main.ts`, { PORT: '0', LOG: 'off' });
const [, url] = await server.printed(/(http:\S+)\n/);
// Whatever the routes are.
const answer = await fetch(url!, { signal: AbortSignal.timeout(20_000) });
assert.ok(answer.status < 500);
server.kill('SIGTERM');
assert.equal(await server.ended(), 0);
assert.equal(server.output, `Listening on ${url}\n`);
console.log(`Node ${process.version} serves without an install: 1 passed, 0 failed`);
