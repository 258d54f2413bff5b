import type { Routes } from '../../src/http/index.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'QUERY';
type NameOf<M extends Method> = `do${Capitalize<Lowercase<M>>}`;

/** The methods that a class defines. */
type MethodOf<Handler> = { [M in Method]: Handler extends Record<NameOf<M>, () => unknown> ? M : never }[Method];

/** The type of a value after it has been sent as JSON. A Date has become a string. Bytes are not sent as JSON. */
type Json<Value> = Value extends Uint8Array ? never
  : Value extends { toJSON(): infer Text } ? Text
  : Value extends void ? undefined
  : Value extends object ? { [Key in keyof Value]: Json<Value[Key]> }
  : Value;
type ResponseOf<Handler, M extends Method> =
  Handler extends Record<NameOf<M>, () => infer Value> ? Json<Awaited<Value>> : never;

/** The type of a body whose schema stands in `static bodies` of the class, as openapi.ts reads it, too. */
type BodyOf<HandlerClass, M extends Method> =
  HandlerClass extends { bodies: Record<M, { '~standard': { types?: { input: infer Body } | undefined } }> } ? Body
    : unknown;

/** `/notes/:id` -> 'id' */
type ParameterOf<Path> = Path extends `${infer Segment}/${infer Rest}` ? ParameterOf<Segment> | ParameterOf<Rest>
  : Path extends `:${infer Name}` | `*${infer Name}` ? Name : never;

/** The options of fetch(), and the parts of the request that this client encodes. */
type Options<Parameter extends string, Body> = Omit<RequestInit, 'method' | 'body'>
  & { query?: Record<string, string>; json?: Body }
  & { params: Record<Parameter, string> };
type Arguments<Parameter extends string, Body> =
  [Parameter] extends [never] ? [Omit<Options<never, Body>, 'params'>?] : [Options<Parameter, Body>];

/**
 * Returns a function for a page's calls. Paths, methods, parameters, bodies and response fields that do not exist on
 * the server do not compile. The page imports only types of the server. These need @types/node, and in the page's
 * tsconfig.json `"lib": ["es2024", "dom"]`, `"types": ["node"]` and `"allowImportingTsExtensions": true`.
 *
 *     import type { routes } from '../server/src/routes.ts';
 *     const call = createClient<typeof routes>('http://127.0.0.1:8000');
 *     const { title } = await call('GET', '/notes/:id', { params: { id } });
 *
 * The function sends and reads only JSON. Call fetch() yourself for uploads, downloads and events. For an error
 * response it rejects with an Error whose message is the problem's detail, and whose cause is the problem.
 */
export function createClient<AllRoutes extends Record<keyof AllRoutes, Routes[`/${string}`]>>(origin: string) {
  return async function call<Path extends keyof AllRoutes & string, M extends MethodOf<InstanceType<AllRoutes[Path]>>>(
    method: M, path: Path, ...[options]: Arguments<ParameterOf<Path>, BodyOf<AllRoutes[Path], M>>
  ): Promise<ResponseOf<InstanceType<AllRoutes[Path]>, M>> {
    const { params, query, json, ...init } = (options ?? {}) as Options<string, unknown>;
    const filled = path.replace(/(?<=\/)[:*](\w+)/g, (segment, name: string) => {
      const value = encodeURIComponent(params[name]!);
      return segment.startsWith('*') ? value.replaceAll('%2F', '/') : value;
    });
    const url = new URL(filled, origin);
    // A parameter such as `..` or `/evil.example` would otherwise lead to another path, or to another server.
    if (url.pathname !== filled) throw new Error(`A parameter leads out of ${path}`);
    url.search = String(new URLSearchParams(query));
    const headers = new Headers(init.headers);
    if (json !== undefined) headers.set('Content-Type', 'application/json');
    const response = await fetch(url, { ...init, method, headers, body: JSON.stringify(json) });
    if (response.ok) return (response.status === 204 ? undefined : await response.json()) as never;
    // The error response of a proxy may not be JSON.
    const problem = (await response.json().catch(() => ({}))) as { detail?: string };
    throw new Error(problem.detail ?? `${response.status} ${response.statusText}`, { cause: problem });
  };
}
