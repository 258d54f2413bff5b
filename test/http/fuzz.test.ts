import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from './fuzz.ts';
import { mutatedRequest } from './request-mutations.ts';

// More of them: node --import tsx test/http/fuzz.test.ts [count] [seed]
const COUNT = Number(process.argv[2] ?? 2_000);
const SEED = Number(process.argv[3] ?? 4);

test(
  `${COUNT} mutated requests of seed ${SEED} are each answered as they should be, and the server is as before`,
  async (t) => {
    const { answers } = await fuzz(COUNT, SEED);
    for (const status of [100, 200, 204, 400, 403, 404, 405, 408, 413, 415, 421, 422, 431, 501, 505]) {
      assert.ok(answers.has(status), `none was answered ${status}`);
    }
    t.diagnostic([...answers].sort(([a], [b]) => a - b).map(([status, times]) => `${times} × ${status}`).join(', '));
  },
);

test('a number and a seed stand for one mutated request', () => {
  for (const number of [0, 1, 1_999]) {
    assert.deepEqual(mutatedRequest(SEED, number), mutatedRequest(SEED, number));
    assert.notDeepEqual(mutatedRequest(SEED, number), mutatedRequest(SEED, number + 1));
    assert.notDeepEqual(mutatedRequest(SEED, number), mutatedRequest(SEED + 1, number));
  }
});
