/** Far longer than anything takes, so that only a wait that would never end fails. */
const LIMIT_MS = 30_000;

/** Rejects if the promise does not settle in time. The event completes the error message. */
export async function within<Value>(event: string, promise: PromiseLike<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    const error = new Error(`Waited ${LIMIT_MS / 1000} seconds, but this did not happen: ${event}`);
    timer = setTimeout(() => reject(error), LIMIT_MS);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
