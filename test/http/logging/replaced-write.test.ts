import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoggingProcess } from './logging-process.ts';

test('writes through process.stdout.write if it was replaced', { timeout: 60_000 }, async (t) => {
  const logging = new LoggingProcess(t, `
    const written = [];
    for (const name of ['stdout', 'stderr']) process[name].write = (text) => written.push([name, text]);
    const log = new Log('text');
    log.say('a line');
    log.error('an error', 'where');
    process.send(written);
  `);
  const written = (await logging.message()) as [string, string][];
  assert.deepEqual(written.map(([name]) => name), ['stdout', 'stderr']);
  assert.match(written[0]![1], / a line\n$/);
  assert.match(written[1]![1], / where\n  an error was thrown\n$/);
  assert.equal(await logging.ended(), 0);
  assert.equal(logging.output + logging.errors, '');
});
