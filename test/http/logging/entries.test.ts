import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoggingProcess, type Scope } from './logging-process.ts';

const LIMIT = { timeout: 60_000 };

async function logged(t: Scope, format: 'text' | 'json', code: string): Promise<string[]> {
  const logging = new LoggingProcess(t, `const log = new Log('${format}');\n${code}`);
  assert.equal(await logging.ended(), 0, logging.errors);
  return (logging.output + logging.errors).trimEnd().split('\n');
}

const NO_REQUEST = `log.request({ headers: {} }, '192.0.2.1', { ...entry, status: 400, detail: 'not HTTP' });`;

test('writes (no request) for bytes that are not a request: LOG=text', LIMIT, async (t) => {
  const [line] = await logged(t, 'text', NO_REQUEST);
  assert.match(line!, /^\d\d:\d\d:\d\d \(no request\) 400 1 ms detail=not HTTP$/);
});

test('omits method and target for bytes that are not a request: LOG=json', LIMIT, async (t) => {
  const [line] = await logged(t, 'json', NO_REQUEST);
  const { time, ...fields } = JSON.parse(line!) as Record<string, unknown>;
  assert.ok(Date.parse(String(time)) > 0);
  assert.deepEqual(fields, { status: 400, milliseconds: 1, address: '192.0.2.1', detail: 'not HTTP' });
});

test('lets a field of the entry replace one of the request: LOG=json', LIMIT, async (t) => {
  const code = `log.request({ method: 'GET', url: '/?token=1', headers: {} }, '', { ...entry, target: '/' });`;
  const [line] = await logged(t, 'json', code);
  assert.equal((JSON.parse(line!) as { target: string }).target, '/');
});

for (const format of ['text', 'json'] as const) {
  test(`writes the outcome of a response that was not completed: LOG=${format}`, LIMIT, async (t) => {
    const code = `log.request({ method: 'GET', url: '/', headers: {} }, '', { ...entry, outcome: 'aborted' });`;
    const [line] = await logged(t, format, code);
    assert.match(line!, format === 'text' ? /GET \/ 200 1 ms, aborted$/ : /"outcome":"aborted"/);
  });

  test(`logs any thrown value: LOG=${format}`, LIMIT, async (t) => {
    const lines = await logged(t, format, `
      const revoked = () => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; };
      const throwing = { get() { throw new Error('getter'); } };
      const circular = new Error('circular');
      circular.cause = circular;
      const custom = { [Symbol.for('nodejs.util.inspect.custom')]() { throw new Error('inspected'); } };
      log.error(revoked(), 'where 1');
      log.error(new Error('outer', { cause: revoked() }), 'where 2');
      log.error(Object.defineProperties(new Error('hidden'), { code: throwing, stack: throwing }), 'where 3');
      log.error(circular, 'where 4');
      log.error(custom, 'where 5');
      for (const [index, value] of [undefined, null, 1n, Symbol('s'), Object.create(null)].entries()) {
        log.error(value, 'where ' + (index + 6));
      }
    `);
    const found = lines.flatMap((line) => /where (\d+)/.exec(line)?.[1] ?? []);
    assert.deepEqual(found.map(Number), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.match(lines.join('\n'), /Error: outer.*[^]*Error: circular.*[^]*undefined was thrown/);
  });
}

test('writes the code of an error as a field: LOG=json', LIMIT, async (t) => {
  const [line] = await logged(t, 'json', `log.error(Object.assign(new Error('no'), { code: 'ENOENT' }), 'here');`);
  const { level, where, code, error } = JSON.parse(line!) as Record<string, string>;
  assert.deepEqual({ level, where, code }, { level: 'error', where: 'here', code: 'ENOENT' });
  assert.match(error!, /^Error: no\n +at /);
});

test('writes a hint once, in text format only, and at most 200', LIMIT, async (t) => {
  const hints = `for (let n = 0; n < 500; n++) for (const _ of [1, 2]) log.hint('hint ' + n);`;
  const lines = await logged(t, 'text', hints);
  assert.deepEqual(lines.map((line) => line.slice(9)), Array.from({ length: 200 }, (_, n) => `cors: hint ${n}`));
  assert.deepEqual(await logged(t, 'json', hints), ['']);
});
