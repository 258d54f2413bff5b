import type { CorsPolicy } from './cors.ts';

/** What a path grants and allows, whoever asks. */
export interface Resource {
  /** As the routes have it: `/notes/:id`. */
  readonly pattern: string;
  /** Of its parameters: `id`. */
  readonly names: readonly string[];
  readonly policy: CorsPolicy;
  /** RFC 9110, section 10.2.1. */
  readonly allow: string;
  /** Access-Control-Allow-Methods: `allow`, narrowed by the policy. */
  readonly corsMethods: string;
  /** For people: `NotesHandler has doGet, doPost`. */
  readonly implementation: string;
}

/** What a path leads to, and what it says in place of each of the names, as it was sent. */
export interface Match<Route extends Resource = Resource> {
  readonly route: Route;
  readonly values: readonly string[];
}
