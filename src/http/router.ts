/** A matched route and its raw (still percent-encoded) parameters. */
export interface Match<Found> {
  readonly found: Found;
  /** As it was added: `/notes/:id`. */
  readonly pattern: string;
  readonly parameters: ReadonlyMap<string, string>;
}

interface Branch<Found> {
  segments?: Map<string, Branch<Found>>;
  parameter?: Branch<Found>;
  /** Matches the whole rest of the path. */
  rest?: Branch<Found>;
  end?: { readonly names: readonly string[]; readonly pattern: string; readonly found: Found };
}

const PATTERN = /^(?:\/[^/?#\s:*%]*|\/:[A-Za-z_]\w*)*(?:\/[^/?#\s:*%]*|\/[:*][A-Za-z_]\w*)$/;
export const NO_PARAMETERS: ReadonlyMap<string, string> = new Map();

/** Maps paths to anything: a Map for plain paths, and a tree of segments for patterns with parameters. */
export class Router<Found> {
  readonly #paths = new Map<string, Match<Found>>();
  readonly #root: Branch<Found> = {};

  /** Adds `/notes`, `/notes/:id` or `/files/*path`. Returns what is wrong with the pattern, if anything. */
  add(pattern: string, found: Found): string[] {
    if (!PATTERN.test(pattern)) return [`${pattern} is not a path: write one such as /notes, /notes/:id or /files/*path`];
    const names = [...pattern.matchAll(/[:*](\w+)/g)].map((match) => match[1]!);
    if (new Set(names).size < names.length) return [`${pattern} uses a parameter name twice: rename one of them`];
    if (names.length === 0) {
      this.#paths.set(pattern, { found, pattern, parameters: NO_PARAMETERS });
      return [];
    }
    let branch = this.#root;
    for (const segment of pattern.slice(1).split('/')) branch = branchFor(branch, segment);
    if (branch.end) return [`${pattern} matches the same paths as another route: remove one of them`];
    branch.end = { names, pattern, found };
    return [];
  }

  /** Returns the route that a path (without the query) matches. */
  find(path: string): Match<Found> | undefined {
    return this.#paths.get(path) ?? search(this.#root, path, 1, []);
  }
}

function branchFor<Found>(branch: Branch<Found>, segment: string): Branch<Found> {
  if (segment.startsWith(':')) return (branch.parameter ??= {});
  if (segment.startsWith('*')) return (branch.rest ??= {});
  branch.segments ??= new Map();
  let next = branch.segments.get(segment);
  if (!next) branch.segments.set(segment, (next = {}));
  return next;
}

/** A literal segment takes precedence over a parameter, and a parameter over the rest. Neither of these is empty. */
function search<Found>(
  { segments, parameter, rest, end }: Branch<Found>, path: string, start: number, values: readonly string[],
): Match<Found> | undefined {
  if (start > path.length) return end && matched(end, values);
  const slash = path.indexOf('/', start);
  const next = slash < 0 ? path.length : slash;
  const segment = path.slice(start, next);
  const literal = segments?.get(segment);
  const match = literal && search(literal, path, next + 1, values);
  if (match) return match;
  const named = parameter && segment !== '' ? search(parameter, path, next + 1, [...values, segment]) : undefined;
  return named ?? (rest && start < path.length ? matched(rest.end!, [...values, path.slice(start)]) : undefined);
}

function matched<Found>(
  { names, pattern, found }: NonNullable<Branch<Found>['end']>, values: readonly string[],
): Match<Found> {
  return { found, pattern, parameters: new Map(names.map((name, index) => [name, values[index]!])) };
}
