import { HttpError } from './http-error.ts';
import type { ServerState } from './server-state.ts';

const TOO_SLOW = new HttpError(503, 'The answer took too long', { Connection: 'close' });
const BODY_TOO_SLOW = new HttpError(408, 'The body took too long to arrive', { Connection: 'close' });

/**
 * Gives up on answers that have not begun after so many seconds. One timer sweeps over all of them: a timer for each
 * request would cost more than all other checks together.
 */
export function watchDeadlines(state: ServerState, seconds: number): NodeJS.Timeout {
  const interval = Math.min(1, seconds / 4);
  const allowed = Math.ceil(seconds / interval);
  return setInterval(() => {
    state.sweeps++;
    for (const answer of [...state.pending]) {
      const isLate = state.sweeps - answer.pendingSince > allowed;
      if (isLate && !answer.begun) answer.fail(answer.request.complete ? TOO_SLOW : BODY_TOO_SLOW);
    }
  }, interval * 1000).unref();
}
