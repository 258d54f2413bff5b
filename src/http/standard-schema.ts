import { HttpError } from './http-error.ts';

/**
 * The interface by which zod, valibot, arktype and others can be handed over without being known
 * (https://standardschema.dev, version 1). Types only: nothing is imported.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Result<Output> | Promise<Result<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

type Result<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly Issue[] };

/** One fault of a value, and where in it. */
interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/**
 * What the schema makes of `value`.
 *
 * @throws HttpError 422 with each issue, and a pointer to its place (RFC 9457, section 3)
 */
export async function validate(schema: StandardSchema, value: unknown): Promise<unknown> {
  const result = await schema['~standard'].validate(value);
  if (!result.issues) return result.value;
  const errors = result.issues.map((issue) => ({ detail: issue.message, pointer: pointer(issue) }));
  throw new HttpError(422, 'The body does not match what this resource expects', {}, { errors });
}

/** RFC 6901, section 6: `#/author/name`. A key may hold half a surrogate pair, which no URI can. */
function pointer({ path = [] }: Issue): string {
  const keys = path.map((part) => String(typeof part === 'object' ? part.key : part));
  const written = keys.map((key) => key.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1'));
  return `#${written.map((key) => `/${encodeURIComponent(key)}`).join('')}`;
}
