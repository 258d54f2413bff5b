/** Suggested changes, and their effect on the exchanges. */

import type { HttpResponse, PageRequest } from './browser-model.ts';

/** One thing to change. */
export interface Change {
  /** An instruction for any server. */
  text: string;
  /** The environment variable to set, for a server built from this template. */
  variable?: string;
  /** The code to change, for a server built from this template. */
  code?: string;
}

/** The repair of one error, and its effect. */
export interface Repair extends Change {
  /** The response after the repair. */
  response?: HttpResponse;
  /** The page's request after the repair. */
  page?: PageRequest;
  /** The header list that this repair sets. A later repair of the same list replaces this one. */
  list?: string;
  /** Whether this repair makes all earlier ones unnecessary. */
  replacesEarlier?: boolean;
}
