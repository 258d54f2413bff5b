/** What there is to change, and how the dialogue would go on then. */

import type { HttpResponse, PageRequest } from './browser-model.ts';

/** One thing to change. */
export interface Change {
  /** What to do, whatever the server is made with. */
  text: string;
  /** The environment variable to set, where the server is made from this template. */
  variable?: string;
  /** What to write into its code. */
  code?: string;
}

/** What one fault takes to be repaired, and what would be different then. */
export interface Repair extends Change {
  /** How the answer would look. */
  response?: HttpResponse;
  /** What the page would ask. */
  page?: PageRequest;
  /** The list that it says how to write: what a later fault says of the same list stands in its place. */
  list?: string;
  /** Whether all that was found before needs no repair then. */
  isAlone?: boolean;
}
