import { setTimeout as sleep } from 'node:timers/promises';

/**
 * How long a test waits for anything, in milliseconds: far longer than it takes, so that only what never comes fails.
 */
const LIMIT = 30_000;

/** Waits for `promise`, but not for ever; `what` says in the error what was waited for. */
export async function within<Value>(what: string, promise: PromiseLike<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    const late = new Error(`Waited ${LIMIT / 1000} seconds, but this did not happen: ${what}`);
    timer = setTimeout(() => reject(late), LIMIT);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again, for what no event tells, but not for ever; `what` says in the error what did not happen. */
export async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + LIMIT;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`Waited ${LIMIT / 1000} seconds, but this did not happen: ${what}`);
    await sleep(5);
  }
}
