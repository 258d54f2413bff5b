import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** Far longer than anything takes, even on a busy machine. */
const WAIT_LIMIT_SECONDS = 30;

function tooLate(what: string): Error {
  return new Error(`Waited ${WAIT_LIMIT_SECONDS} seconds, but this did not happen: ${what}`);
}

/** Waits for a promise, up to the limit. The error says that `what` did not happen. */
export async function within<Value>(what: string, promise: PromiseLike<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    const error = tooLate(what);
    timer = setTimeout(() => reject(error), WAIT_LIMIT_SECONDS * 1000);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls a condition that causes no event, up to the limit. The error says that `what` did not happen. */
export async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_LIMIT_SECONDS * 1000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw tooLate(what);
    await sleep(5);
  }
}

/** Waits until the server has no open connection. */
export async function untilNoConnections(server: Server): Promise<void> {
  const count = () => new Promise<number>((resolve) => server.getConnections((_, open) => resolve(open)));
  await eventually('the server has no open connection', async () => (await count()) === 0);
}
