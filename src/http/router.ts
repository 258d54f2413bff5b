/** A matched route and its raw (still percent-encoded) parameters. */
export interface Match<Found> {
  readonly found: Found;
  readonly parameters: ReadonlyMap<string, string>;
}

interface Branch<Found> {
  /** By segment. A parameter is `/:` and a rest `/*`, which no segment of a path can be. */
  readonly children: Map<string, Branch<Found>>;
  end?: { readonly names: readonly string[]; readonly found: Found };
}

const PATTERN = /^(?:\/[^/?#\s:*%]*|\/:[A-Za-z_]\w*)*(?:\/[^/?#\s:*%]*|\/[:*][A-Za-z_]\w*)$/;
export const NO_PARAMETERS: ReadonlyMap<string, string> = new Map();

/** Maps paths to anything: a Map for plain paths, and a tree of segments for patterns with parameters. */
export class Router<Found> {
  readonly #paths = new Map<string, Match<Found>>();
  readonly #root: Branch<Found> = { children: new Map() };

  /** Adds `/notes`, `/notes/:id` or `/files/*path`. Returns what is wrong with the pattern, if anything. */
  add(pattern: string, found: Found): string | undefined {
    if (!PATTERN.test(pattern)) return `${pattern} is not a path: write one such as /notes, /notes/:id or /files/*path`;
    const names = [...pattern.matchAll(/[:*](\w+)/g)].map((match) => match[1]!);
    if (new Set(names).size < names.length) return `${pattern} uses a parameter name twice: rename one of them`;
    if (names.length === 0) {
      this.#paths.set(pattern, { found, parameters: NO_PARAMETERS });
      return undefined;
    }
    let branch = this.#root;
    for (const segment of pattern.slice(1).split('/')) {
      const key = segment.replace(/^([:*]).*/, '/$1');
      const next = branch.children.get(key) ?? { children: new Map() };
      branch.children.set(key, next);
      branch = next;
    }
    if (branch.end) return `${pattern} matches the same paths as another route: remove one of them`;
    branch.end = { names, found };
    return undefined;
  }

  /** Returns the route that a path (without the query) matches. */
  find(path: string): Match<Found> | undefined {
    return this.#paths.get(path) ?? search(this.#root, path, 1, []);
  }
}

/** A literal segment takes precedence over a parameter, and a parameter over the rest. Neither of these is empty. */
function search<Found>(
  { children, end }: Branch<Found>, path: string, start: number, values: readonly string[],
): Match<Found> | undefined {
  if (start > path.length) {
    return end && { found: end.found, parameters: new Map(end.names.map((name, index) => [name, values[index]!])) };
  }
  const slash = path.indexOf('/', start);
  const next = slash < 0 ? path.length : slash;
  const segment = path.slice(start, next);
  const literal = children.get(segment);
  const parameter = segment ? children.get('/:') : undefined;
  const rest = start < path.length ? children.get('/*') : undefined;
  return (
    (literal && search(literal, path, next + 1, values)) ??
    (parameter && search(parameter, path, next + 1, [...values, segment])) ??
    (rest && search(rest, path, path.length + 1, [...values, path.slice(start)]))
  );
}
