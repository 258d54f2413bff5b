import type { Resource } from './resource.ts';

/** A route, and the values of its parameters in a path. */
export interface Match {
  readonly route: Route;
  /** Raw values (still percent-encoded), in the order of the names. */
  readonly values: readonly string[];
}

interface Route {
  readonly resource: Resource;
  /** The path as written in the routes, such as `/notes/:id`. */
  readonly pattern: string;
  readonly names: readonly string[];
}

interface Branch {
  segments?: Map<string, Branch>;
  parameter?: Branch;
  /** Matches the whole rest of the path. */
  rest?: Branch;
  route?: Route;
}

/** Literal segments have only characters that URLs contain as they are (RFC 3986, section 3.3), and no `:` or `*`. */
const PATTERN = /^(?=\/)(?:\/(?:[\w.~!$&'()+,;=@-]*|:[A-Za-z_]\w*))*(?:\/\*[A-Za-z_]\w*)?$/;

/** Finds the route of a path in a tree of segments. */
export class Router {
  readonly #root: Branch = {};

  /** Adds `/notes`, `/notes/:id` or `/files/*path`. Returns the errors of the pattern. */
  add(pattern: string, resource: Resource): string[] {
    if (!PATTERN.test(pattern)) {
      return [`${pattern} is not a valid route: write whole segments, as in /notes, /notes/:id or /files/*path`];
    }
    const names = parameterNames(pattern);
    if (new Set(names).size < names.length) return [`${pattern} uses a parameter name twice: rename one of them`];
    let branch = this.#root;
    for (const segment of pattern.slice(1).split('/')) branch = branchFor(branch, segment);
    if (branch.route) return [`${pattern} matches the same paths as ${branch.route.pattern}: remove one of them`];
    branch.route = { resource, pattern, names };
    return [];
  }

  /** Returns the route that a path (without the query) matches. */
  find(path: string): Match | undefined {
    // OPTIONS * is about the server (RFC 9112, section 3.2.4). The search would take it for the path /.
    return path === '*' ? undefined : search(this.#root, path, 1, []);
  }
}

/** Returns the names of the parameters, such as `id` for `/notes/:id`. */
export function parameterNames(pattern: string): string[] {
  return [...pattern.matchAll(/[:*]([A-Za-z_]\w*)/g)].map((match) => match[1]!);
}

function branchFor(branch: Branch, segment: string): Branch {
  if (segment.startsWith(':')) return (branch.parameter ??= {});
  if (segment.startsWith('*')) return (branch.rest ??= {});
  branch.segments ??= new Map();
  let next = branch.segments.get(segment);
  if (!next) branch.segments.set(segment, (next = {}));
  return next;
}

/**
 * Returns the match with the highest precedence. A literal segment takes precedence over a parameter, and a parameter
 * over a rest. Neither a parameter nor a rest can be empty.
 */
function search(
  { segments, parameter, rest, route }: Branch, path: string, start: number, values: readonly string[],
): Match | undefined {
  if (start > path.length) return route && { route, values };
  const slash = path.indexOf('/', start);
  const next = slash < 0 ? path.length : slash;
  const segment = path.slice(start, next);
  const literal = segments?.get(segment);
  return (
    (literal && search(literal, path, next + 1, values)) ??
    (parameter && segment ? search(parameter, path, next + 1, [...values, segment]) : undefined) ??
    (rest?.route && start < path.length ? { route: rest.route, values: [...values, path.slice(start)] } : undefined)
  );
}
