import type { Resource } from './resource.ts';

/** A matched route and its raw (still percent-encoded) parameters. */
export interface Match {
  readonly resource: Resource;
  /** As written in the routes: `/notes/:id`. */
  readonly pattern: string;
  readonly parameters: ReadonlyMap<string, string>;
}

interface Branch {
  /** By segment. A parameter is `/:` and a rest `/*`, which no segment of a path can be. */
  readonly children: Map<string, Branch>;
  end?: { readonly resource: Resource; readonly pattern: string; readonly names: readonly string[] };
}

const PATTERN = /^(?:\/[^/?#\s:*%]*|\/:[A-Za-z_]\w*)*(?:\/[^/?#\s:*%]*|\/[:*][A-Za-z_]\w*)$/;
export const NO_PARAMETERS: ReadonlyMap<string, string> = new Map();

/** Finds the route of a path: in a Map if it has no parameters, otherwise in a tree of segments. */
export class Router {
  readonly #paths = new Map<string, Match>();
  readonly #root: Branch = { children: new Map() };

  /** Adds `/notes`, `/notes/:id` or `/files/*path`. Returns what is wrong with the pattern, if anything. */
  add(pattern: string, resource: Resource): string[] {
    if (!PATTERN.test(pattern)) {
      return [`${pattern} is not a path: write one such as /notes, /notes/:id or /files/*path`];
    }
    const names = parameterNames(pattern);
    if (new Set(names).size < names.length) return [`${pattern} uses a parameter name twice: rename one of them`];
    if (names.length === 0) {
      this.#paths.set(pattern, { resource, pattern, parameters: NO_PARAMETERS });
      return [];
    }
    let branch = this.#root;
    for (const segment of pattern.slice(1).split('/')) {
      const key = segment.replace(/^([:*]).*/, '/$1');
      const next = branch.children.get(key) ?? { children: new Map() };
      branch.children.set(key, next);
      branch = next;
    }
    if (branch.end) return [`${pattern} matches the same paths as another route: remove one of them`];
    branch.end = { resource, pattern, names };
    return [];
  }

  /** Returns the route that a path (without the query) matches. */
  find(path: string): Match | undefined {
    return this.#paths.get(path) ?? search(this.#root, path, 1, []);
  }
}

/** `/notes/:id` -> id */
export function parameterNames(pattern: string): string[] {
  return [...pattern.matchAll(/[:*](\w+)/g)].map((match) => match[1]!);
}

/**
 * Returns the first match: a literal segment takes precedence over a parameter, and a parameter over a rest. Neither a
 * parameter nor a rest can be empty.
 */
function search({ children, end }: Branch, path: string, start: number, values: readonly string[]): Match | undefined {
  if (start > path.length) return end && matched(end, values);
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

function matched({ resource, pattern, names }: NonNullable<Branch['end']>, values: readonly string[]): Match {
  return { resource, pattern, parameters: new Map(names.map((name, index) => [name, values[index]!])) };
}
