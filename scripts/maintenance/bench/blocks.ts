import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Contestant, Order } from './block-client.ts';
import { showProgress } from './progress.ts';
import { quantile } from './statistics.ts';

export const BLOCK = 1_500;
export const WARM_UP = 6;

interface Measuring {
  readonly rounds: number;
  /** Shown before the number of the round. */
  readonly what?: string;
  /** Waits for work that a contestant does after its responses. */
  readonly afterBlock?: () => Promise<unknown>;
}

/**
 * Measures the CPU time per request of each contestant, in microseconds. They take turns with short blocks of requests
 * from another process, so that background load affects all equally. The lower quartile excludes disturbed blocks.
 */
export async function cpuPerRequest(contestants: readonly Contestant[], measuring: Measuring): Promise<number[]> {
  const { rounds, what = '', afterBlock } = measuring;
  const client = await BlockClient.connect(contestants);
  const costs = contestants.map((): number[] => []);
  for (let round = -WARM_UP; round < rounds; round++) {
    showProgress(`${what}${round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`}`);
    for (const index of order(contestants.length, round)) {
      const before = process.cpuUsage();
      await client.send(index, BLOCK);
      await afterBlock?.();
      const { user, system } = process.cpuUsage(before);
      if (round >= 0) costs[index]!.push((user + system) / BLOCK);
    }
  }
  showProgress('');
  await client.stop();
  return costs.map((blocks) => quantile(blocks, 0.25));
}

/** Returns an order in which, over the rounds, each contestant comes first, last and after each other equally often. */
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

  /** Resolves once all `count` requests have got a successful response. */
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
