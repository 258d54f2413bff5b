import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from '../scripts/fuzz.ts';
import { mutatedRequest } from '../scripts/request-mutations.ts';

const SEED = 4;

test(`3,000 mutated requests of seed ${SEED} are each answered as they should be, and the server is as before`, async () => {
  const { answers } = await fuzz(3_000, SEED);
  for (const status of [100, 200, 204, 400, 403, 404, 405, 408, 413, 415, 421, 422, 431, 501, 505]) {
    assert.ok(answers.has(status), `none was answered ${status}`);
  }
});

test('a number and a seed stand for one mutated request', () => {
  for (const number of [0, 1, 2_999]) {
    assert.deepEqual(mutatedRequest(SEED, number), mutatedRequest(SEED, number));
    assert.notDeepEqual(mutatedRequest(SEED, number), mutatedRequest(SEED, number + 1));
    assert.notDeepEqual(mutatedRequest(SEED, number), mutatedRequest(SEED + 1, number));
  }
});
