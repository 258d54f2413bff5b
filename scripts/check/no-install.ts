/** Checks that `node src/main.ts` serves without any install and without a warning, on the Node that runs this. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

const server = spawn(process.execPath, ['src/main.ts'], { env: { PORT: '0', LOG: 'off' } });
const errors = text(server.stderr);
const [line] = await once(server.stdout.setEncoding('utf8'), 'data');
const answer = await fetch(/http:\S+/.exec(line)![0]);
assert.deepEqual(await answer.json(), { status: 'OK' });
server.kill('SIGTERM');
assert.deepEqual(await once(server, 'exit'), [0, null]);
assert.equal(await errors, '');
console.log(`Node ${process.version} serves without an install: 1 passed, 0 failed`);
