import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from '../support/fuzz.ts';
import { mutatedRequest } from '../support/request-mutations.ts';

// For a longer run: node --import tsx test/http/protocol/fuzz.test.ts [count] [seed]
const COUNT = Number(process.argv[2] ?? 2_000);
const SEED = Number(process.argv[3] ?? 4);

test(`responds correctly to ${COUNT} mutated requests (seed ${SEED}) and stays healthy`, async (t) => {
  const { responses } = await fuzz(COUNT, SEED);
  for (const status of [100, 200, 204, 400, 403, 404, 405, 408, 413, 415, 421, 422, 431, 501, 505]) {
    assert.ok(responses.has(status), `no response had status ${status}`);
  }
  t.diagnostic([...responses].sort(([a], [b]) => a - b).map(([status, times]) => `${times} × ${status}`).join(', '));
});

test('generates the same request for the same seed and number', () => {
  for (const number of [0, 1, 1_999]) {
    assert.deepEqual(mutatedRequest(SEED, number), mutatedRequest(SEED, number));
    assert.notDeepEqual(mutatedRequest(SEED, number), mutatedRequest(SEED, number + 1));
    assert.notDeepEqual(mutatedRequest(SEED, number), mutatedRequest(SEED + 1, number));
  }
});
