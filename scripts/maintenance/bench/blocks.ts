import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Contestant, Order } from './block-client.ts';
import { showProgress } from './progress.ts';
import { quantile } from './statistics.ts';

export const BLOCK = 1_500;
export const WARM_UP = 6;

interface Measuring {
  readonly rounds: number;
  /** What is said of the progress before the number of the round. */
  readonly what?: string;
  /** The CPU time that a contestant has taken so far; left out: that of this process. */
  readonly cpuOf?: (contestant: number) => NodeJS.CpuUsage | Promise<NodeJS.CpuUsage>;
  /** Waits for what a contestant does later than its answers. */
  readonly afterBlock?: () => Promise<unknown>;
}

/**
 * The CPU time that a request costs each contestant, in microseconds. All are servers that are fed in turn with short
 * blocks of requests by another process, so that whatever else the machine does falls on all alike; the lower quartile
 * of many blocks leaves out those that were disturbed.
 */
export async function cpuPerRequest(contestants: readonly Contestant[], measuring: Measuring): Promise<number[]> {
  const { rounds, what = '', cpuOf = () => process.cpuUsage(), afterBlock } = measuring;
  const client = await BlockClient.connect(contestants);
  const costs = contestants.map((): number[] => []);
  for (let round = -WARM_UP; round < rounds; round++) {
    showProgress(`${what}${round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`}`);
    for (const index of order(contestants.length, round)) {
      const before = await cpuOf(index);
      await client.send(index, BLOCK);
      await afterBlock?.();
      const { user, system } = await cpuOf(index);
      if (round >= 0) costs[index]!.push((user + system - before.user - before.system) / BLOCK);
    }
  }
  showProgress('');
  await client.stop();
  return costs.map((blocks) => quantile(blocks, 0.25));
}

/** Each contestant comes first, last, and after each other one equally often. */
function order(length: number, round: number): number[] {
  const turned = Array.from({ length }, (_, index) => (((index + round) % length) + length) % length);
  return round % 2 === 0 ? turned : turned.reverse();
}

/** Sends blocks of requests from a process of its own. */
export class BlockClient {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async connect(contestants: readonly Contestant[]): Promise<BlockClient> {
    const client = new BlockClient(fork(new URL('./block-client.ts', import.meta.url)));
    await client.#order(contestants);
    return client;
  }

  /** Resolves once all `count` requests have been answered with success. */
  async send(contestant: number, count: number): Promise<void> {
    await this.#order({ contestant, count });
  }

  async stop(): Promise<void> {
    this.#process.disconnect();
    await once(this.#process, 'exit');
  }

  async #order(order: Order): Promise<void> {
    this.#process.send(order);
    const [message] = (await once(this.#process, 'message')) as [string];
    if (message !== 'done') throw new Error(message);
  }
}
