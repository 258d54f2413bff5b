import type { Match } from './resource.ts';
import type { Route } from './route.ts';

interface Branch {
  segments?: Map<string, Branch>;
  parameter?: Branch;
  route?: Route;
}

const PATTERN = /^(?:\/[^/?#\s:*%]*|\/:[A-Za-z_]\w*)+$/;

/** Path -> route: a Map for whole paths, and a tree of segments for those with parameters. */
export class Router {
  readonly #paths = new Map<string, Match<Route>>();
  readonly #root: Branch = {};
  /** What is found where nothing is. */
  readonly unknown: Match<Route>;

  constructor(unknown: Route) {
    this.unknown = { route: unknown, values: [] };
  }

  /** Adds a route, and says what is wrong with its pattern, if anything is. */
  add(route: Route): string | undefined {
    const { pattern, names } = route;
    if (!PATTERN.test(pattern)) return `${pattern} is no path: write one such as /notes or /notes/:id`;
    if (new Set(names).size < names.length) return `${pattern} has one name twice: give each part its own`;
    if (names.length === 0) {
      this.#paths.set(pattern, { route, values: [] });
      return undefined;
    }
    let branch = this.#root;
    for (const segment of pattern.slice(1).split('/')) branch = grow(branch, segment);
    if (branch.route) return `${pattern} matches the same paths as another route: leave one of them out`;
    branch.route = route;
    return undefined;
  }

  find(path: string): Match<Route> {
    return this.#paths.get(path) ?? search(this.#root, path, 1, []) ?? this.unknown;
  }
}

function grow(branch: Branch, segment: string): Branch {
  if (segment.startsWith(':')) return (branch.parameter ??= {});
  branch.segments ??= new Map();
  const known = branch.segments.get(segment);
  if (known) return known;
  const grown = {};
  branch.segments.set(segment, grown);
  return grown;
}

/** A literal segment goes before a parameter; a parameter is never empty. */
function search({ segments, parameter, route }: Branch, path: string, start: number, values: readonly string[]): Match<Route> | undefined {
  if (start > path.length) return route && { route, values };
  const slash = path.indexOf('/', start);
  const end = slash < 0 ? path.length : slash;
  const segment = path.slice(start, end);
  const literal = segments?.get(segment);
  const match = literal && search(literal, path, end + 1, values);
  if (match || !parameter || segment === '') return match;
  return search(parameter, path, end + 1, [...values, segment]);
}
