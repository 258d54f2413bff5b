import { RequestHandler, type Routes, type StandardSchema, methodsOf } from '../../src/http/index.ts';

type HandlerClass = Routes[`/${string}`];

/** The methods that can be described, except HEAD and OPTIONS, which follow from the others. */
const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH'];

/** For zod: a part that JSON Schema cannot represent, such as a date, becomes `{}`, and not an error. */
const JSON_SCHEMA_OPTIONS = { target: 'draft-2020-12', libraryOptions: { unrepresentable: 'any' } } as const;

/** Standard JSON Schema (https://standardschema.dev/json-schema), which zod 4.2 and others implement. */
interface JsonSchemaSource {
  readonly jsonSchema?: { input(options: typeof JSON_SCHEMA_OPTIONS): Record<string, unknown> };
}

/**
 * Returns the routes with one more, `/openapi.json`, which describes them in OpenAPI 3.1. A class names the schemas of
 * its bodies, which its methods use too:
 *
 *     static readonly bodies = { POST: taskSchema };
 *     override async doPost() { const task = await this.readJson(TasksHandler.bodies.POST); … }
 */
export function withOpenApi<AllRoutes extends Routes>(routes: AllRoutes, info: { title: string; version: string }) {
  const paths = Object.fromEntries(Object.entries(routes).map(([path, HandlerClass]) => [
    path.replace(/(?<=\/)[:*](\w+)/g, '{$1}'),
    {
      // OpenAPI has no parameter for the rest of a path, so that of `*path` is described as one segment.
      parameters: [...path.matchAll(/(?<=\/)[:*](\w+)/g)].map(([, name]) => ({
        name, in: 'path', required: true, schema: { type: 'string' },
      })),
      ...operationsOf(HandlerClass),
    },
  ]));
  const document = { openapi: '3.1.1', info, paths };

  class OpenApiHandler extends RequestHandler {
    override doGet() {
      return document;
    }
  }

  return { ...routes, '/openapi.json': OpenApiHandler };
}

function operationsOf(HandlerClass: HandlerClass & { bodies?: Record<string, StandardSchema> }) {
  const methods = methodsOf(HandlerClass).filter((method) => METHODS.includes(method));
  return Object.fromEntries(methods.map((method) => {
    const body = HandlerClass.bodies?.[method];
    const requestBody = body && { required: true, content: { 'application/json': { schema: jsonSchemaOf(body) } } };
    const problem = { description: 'A problem (RFC 9457)', content: { 'application/problem+json': {} } };
    const responses = { '2XX': { description: 'Success' }, default: problem };
    return [method.toLowerCase(), { requestBody, responses }];
  }));
}

function jsonSchemaOf({ '~standard': standard }: StandardSchema & { '~standard': JsonSchemaSource }) {
  return standard.jsonSchema?.input(JSON_SCHEMA_OPTIONS) ?? {};
}
