/** What a path leads to, and what it says in place of each of the pattern's names, as it was sent. */
export interface Match<Found> {
  readonly found: Found;
  readonly parameters: ReadonlyMap<string, string>;
}

interface Branch<Found> {
  segments?: Map<string, Branch<Found>>;
  parameter?: Branch<Found>;
  /** What takes all that is left of the path. */
  rest?: Branch<Found>;
  end?: { readonly names: readonly string[]; readonly found: Found };
}

const PATTERN = /^(?:\/[^/?#\s:*%]*|\/:[A-Za-z_]\w*)*(?:\/[^/?#\s:*%]*|\/[:*][A-Za-z_]\w*)$/;
const NONE: ReadonlyMap<string, string> = new Map();

/** Path -> anything: a Map for whole paths, and a tree of segments for patterns with names. */
export class Router<Found> {
  readonly #paths = new Map<string, Match<Found>>();
  readonly #root: Branch<Found> = {};

  /** Adds `/notes`, `/notes/:id` or `/files/*path`, and says what is wrong with the pattern, if anything is. */
  add(pattern: string, found: Found): string | undefined {
    if (!PATTERN.test(pattern)) return `${pattern} is not a path: write one such as /notes, /notes/:id or /files/*path`;
    const names = [...pattern.matchAll(/[:*](\w+)/g)].map((match) => match[1]!);
    if (new Set(names).size < names.length) return `${pattern} has one name twice: give each part its own`;
    if (names.length === 0) {
      this.#paths.set(pattern, { found, parameters: NONE });
      return undefined;
    }
    let branch = this.#root;
    for (const segment of pattern.slice(1).split('/')) branch = grow(branch, segment);
    if (branch.end) return `${pattern} matches the same paths as another route: leave one of them out`;
    branch.end = { names, found };
    return undefined;
  }

  find(path: string): Match<Found> | undefined {
    return this.#paths.get(path) ?? search(this.#root, path, 1, []);
  }
}

function grow<Found>(branch: Branch<Found>, segment: string): Branch<Found> {
  if (segment.startsWith(':')) return (branch.parameter ??= {});
  if (segment.startsWith('*')) return (branch.rest ??= {});
  branch.segments ??= new Map();
  const known = branch.segments.get(segment);
  if (known) return known;
  const grown = {};
  branch.segments.set(segment, grown);
  return grown;
}

/** A literal segment goes before a parameter, and that before a rest; neither of the two is ever empty. */
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

function matched<Found>({ names, found }: NonNullable<Branch<Found>['end']>, values: readonly string[]): Match<Found> {
  return { found, parameters: new Map(names.map((name, index) => [name, values[index]!])) };
}
