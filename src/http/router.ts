import type { Route } from './route.ts';

/** A route, and what its path says in place of each `:name`, as it was sent. */
export interface Match {
  readonly route: Route;
  readonly params: ReadonlyMap<string, string>;
}

interface Branch {
  readonly segments: Map<string, Branch>;
  parameter?: Branch;
  route?: Route;
  names?: readonly string[];
}

const NO_PARAMS: ReadonlyMap<string, string> = new Map();
const PATTERN = /^(?:\/[^/?#\s:*%]*|\/:[A-Za-z_]\w*)+$/;

/** Path -> route: a Map for whole paths, and a tree of segments for those with parameters. */
export class Router {
  readonly #paths = new Map<string, Match>();
  readonly #root: Branch = { segments: new Map() };
  /** What is found where nothing is. */
  readonly unknown: Match;

  constructor(unknown: Route) {
    this.unknown = { route: unknown, params: NO_PARAMS };
  }

  /** Adds a route, and says what is wrong with its pattern, if anything is. */
  add(route: Route): string | undefined {
    const { pattern } = route;
    if (!PATTERN.test(pattern)) return `${pattern} is no path: write one such as /notes or /notes/:id`;
    if (!pattern.includes(':')) {
      this.#paths.set(pattern, { route, params: NO_PARAMS });
      return undefined;
    }
    const names: string[] = [];
    let branch = this.#root;
    for (const segment of pattern.slice(1).split('/')) {
      if (segment.startsWith(':')) {
        names.push(segment.slice(1));
        branch = branch.parameter ??= { segments: new Map() };
      } else {
        let next = branch.segments.get(segment);
        if (!next) branch.segments.set(segment, (next = { segments: new Map() }));
        branch = next;
      }
    }
    if (branch.route) return `${pattern} matches the same paths as another route: leave one of them out`;
    if (new Set(names).size < names.length) return `${pattern} has one name twice: give each part its own`;
    branch.route = route;
    branch.names = names;
    return undefined;
  }

  find(path: string): Match {
    return this.#paths.get(path) ?? search(this.#root, path, 1, []) ?? this.unknown;
  }
}

/** A literal segment goes before a parameter; a parameter is never empty. */
function search(branch: Branch, path: string, start: number, values: string[]): Match | undefined {
  if (start > path.length) {
    const { route, names } = branch;
    return route && { route, params: new Map(names!.map((name, index) => [name, values[index]!])) };
  }
  const slash = path.indexOf('/', start);
  const end = slash < 0 ? path.length : slash;
  const segment = path.slice(start, end);
  const literal = branch.segments.get(segment);
  const match = literal && search(literal, path, end + 1, values);
  if (match || !branch.parameter || segment === '') return match;
  return search(branch.parameter, path, end + 1, [...values, segment]);
}
