/** Far longer than anything takes, even on a busy machine. */
const WAIT_LIMIT_SECONDS = 30;

/** Waits for a promise, up to the limit. The error says that `what` did not happen. */
export async function within<Value>(what: string, promise: PromiseLike<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    const late = new Error(`Waited ${WAIT_LIMIT_SECONDS} seconds, but this did not happen: ${what}`);
    timer = setTimeout(() => reject(late), WAIT_LIMIT_SECONDS * 1000);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}
