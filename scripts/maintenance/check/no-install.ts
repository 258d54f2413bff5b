/** Checks that `node src/main.ts` serves without an install and without a warning, with the Node that runs this. */
import assert from 'node:assert/strict';
import { required } from '../../../test/required-settings.ts';
import { Command } from './process.ts';

const server = new Command(`exec "${process.execPath}" src/main.ts`, { PORT: '0', LOG: 'off', ...required });
const [, url] = await server.printed(/(http:\S+)\n/);
// The routes are the owner's, so any status below 500 will do.
const response = await fetch(url!, { signal: AbortSignal.timeout(20_000) });
assert.ok(response.status < 500);
server.kill('SIGTERM');
assert.equal(await server.ended(), 0);
assert.equal(server.output, `Listening on ${url}\n`);
console.log(`Node ${process.version} serves without an install: 1 passed, 0 failed`);
