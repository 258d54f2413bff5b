import { HttpError } from './http-error.ts';

/**
 * The common interface of zod, valibot, arktype and others (https://standardschema.dev, version 1). It is declared
 * here, so that the server needs no package.
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

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Maximum number of issues in a response, so that a body of many wrong items does not become a huge response. */
const MAX_ISSUES = 100;

const NOT_STANDARD = 'is not a Standard Schema: use a library that implements it, such as zod 3.24 or newer';

/**
 * Validates a value and returns the schema's output.
 *
 * @param name of the value, for the message: 'body' or 'query'
 * @throws HttpError 422 with the first hundred issues, each with a pointer to its place (RFC 9457, section 3)
 */
export async function validate<Output>(schema: StandardSchema<Output>, value: unknown, name: string): Promise<Output> {
  if (!('~standard' in schema)) throw new TypeError(`The schema of the ${name} ${NOT_STANDARD}`);
  const result = await schema['~standard'].validate(value);
  if (!result.issues) return result.value;
  const { issues } = result;
  const errors = issues.slice(0, MAX_ISSUES).map((issue) => ({ detail: issue.message, pointer: pointer(issue) }));
  const more = issues.length > MAX_ISSUES ? `: ${issues.length} errors, of which the first ${MAX_ISSUES} follow` : '';
  throw new HttpError(422, `The ${name} does not match its schema${more}`, {}, { errors });
}

/** Returns a JSON Pointer as a URI fragment, `#/author/name` (RFC 6901, section 6). */
function pointer({ path = [] }: Issue): string {
  const keys = path.map((part) => String(typeof part === 'object' ? part.key : part));
  // A key may hold a lone surrogate, which encodeURIComponent rejects.
  const escaped = keys.map((key) => key.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1'));
  return `#${escaped.map((key) => `/${encodeURIComponent(key)}`).join('')}`;
}
