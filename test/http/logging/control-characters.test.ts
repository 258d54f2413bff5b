import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoggingProcess } from './logging-process.ts';

const LIMIT = { timeout: 60_000 };

for (const format of ['text', 'json'] as const) {
  test(`escapes control characters in everything that a client sends: LOG=${format}`, LIMIT, async (t) => {
    const logging = new LoggingProcess(t, `
      const codes = [...Array(0x20).keys(), ...Array.from({ length: 0x21 }, (_, index) => 0x7f + index)];
      const text = String.fromCharCode(...codes) + 'é';
      const log = new Log('${format}');
      const headers = { host: text, origin: text, 'user-agent': text, 'x-forwarded-for': text };
      log.request({ method: text, url: text, headers }, text, { ...entry, detail: text });
      log.request({ headers: {} }, undefined, { ...entry, detail: text });
      // No other character that is not ASCII.
      log.request({ method: 'GET', url: '/\\x7f', headers: {} }, undefined, entry);
      log.say(text);
      log.hint(text);
      log.error(text, text);
      log.error(new Error('message', { cause: Object.assign(new Error(text), { code: text }) }), text);
      log.error(Object.assign(new Error('message'), { code: text }), text);
    `);
    assert.equal(await logging.ended(), 0, logging.errors);
    for (const written of [logging.output, logging.errors]) {
      assert.doesNotMatch(written, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
      assert.match(written, /\\u007f\\u0080.*é/);
    }
    assert.equal(logging.output.split('\n').length - 1, format === 'json' ? 3 : 5);
    const errors = logging.errors.split('\n').slice(0, -1);
    // A line that continues an error is indented.
    assert.equal(errors.filter((line) => !line.startsWith('  ')).length, 3);
    if (format === 'json') for (const line of [...logging.output.trimEnd().split('\n'), ...errors]) JSON.parse(line);
  });
}
