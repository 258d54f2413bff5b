import type { Server } from 'node:http';
import { shutdown } from './shutdown.ts';

/**
 * Ends the process in order. SIGTERM and SIGINT stop the server without losing a request, and exit with 0, or with 1
 * where something had to be cut; a second signal exits at once with 1. After an exception that nothing caught, or a
 * rejection that nothing handled, what is in hand is still answered, and the process exits with 1: after a fault that
 * nobody foresaw, only a new process is known to be in order.
 *
 * @param delay of `shutdown`, in seconds; a fault waits for no load balancer
 * @param timeout of `shutdown`, in seconds
 * @param logError writes what nothing caught; left out: console.error
 */
export function stopOnSignals(server: Server, { delay = 0, timeout = 10, logError = console.error as (error: unknown) => void } = {}): void {
  let isStopping = false;
  const stop = async (exitCode: number, wait: number): Promise<void> => {
    isStopping = true;
    const isClean = await shutdown(server, { delay: wait, timeout });
    process.exit(isClean ? exitCode : 1);
  };
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      if (isStopping) process.exit(1);
      void stop(0, delay);
    });
  }
  process.on('uncaughtException', (error) => {
    logError(error);
    if (!isStopping) void stop(1, 0);
  });
}
