/** The OpenAPI 3.1 document of the admin API, made from the table of routes. */
import { z } from 'zod';
import { listRoutes, type Route } from './routes.ts';
import { errorBody } from './schemas.ts';

const VERSION = '1.0.0';

type Json = Record<string, unknown>;

/** Text with a line break at its end: docs/openapi/admin.json. */
export function toOpenApiText(): string {
  return `${JSON.stringify(toOpenApi(), null, 2)}\n`;
}

export function toOpenApi(): Json {
  const schemas: Record<string, Json> = {};
  const paths: Record<string, Json> = {};
  for (const route of listRoutes({ document: () => '', isMetricsOpen: false })) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: toOperation(route, schemas) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Modelward gateway: admin API',
      version: VERSION,
      description: 'The control plane of a gateway, on a listener of its own. Nothing is allowed that no scope names.',
    },
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key or a token (JWT).' },
        apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key' },
        clientCertificate: { type: 'mutualTLS' },
      },
    },
    security: [{ bearer: [] }, { apiKey: [] }, { clientCertificate: [] }],
  };
}

function toOperation({ id, summary, scopes, path, query, body, answer }: Route, schemas: Record<string, Json>): Json {
  const parameters = [...toPathParameters(path), ...(query === undefined ? [] : toQueryParameters(query))];
  const { status, schema, type = 'application/json' } = answer;
  const media = schema === null ? { schema: { type: 'string' } } : { schema: toReference(schema, 'output', schemas) };
  const failed = { 'application/json': { schema: toReference(errorBody, 'output', schemas) } };
  return {
    operationId: id,
    summary,
    ...(scopes === null ? { security: [] } : { 'x-scopes': scopes }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: toReference(body, 'input', schemas) } },
      },
    }),
    responses: {
      [status]: { description: 'Done.', content: { [type.split(';')[0]]: media } },
      ...(path === '/readyz' && { 503: { description: 'Not ready.', content: { 'application/json': media } } }),
      default: { description: 'Refused or failed.', content: failed },
    },
  };
}

function toPathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
  }));
}

function toQueryParameters(query: z.ZodType): Json[] {
  const { properties = {}, required = [] } = toSchema(query, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    ...{ name, in: 'query', required: required.includes(name) },
    ...(description !== undefined && { description }),
    schema,
  }));
}

/** A schema with a name stands once, among the components; those it holds likewise. */
function toReference(schema: z.ZodType, io: 'input' | 'output', schemas: Record<string, Json>): Json {
  const { $defs, ...whole } = toSchema(schema, io) as { $defs?: Record<string, Json> } & Json;
  for (const [name, inner] of Object.entries($defs ?? {})) schemas[name] = inner;
  const id = schema.meta()?.id;
  if (id === undefined) return whole;
  schemas[id] ??= whole;
  return { $ref: `#/components/schemas/${id}` };
}

/** JSON Schema 2020-12, as OpenAPI 3.1 takes it, with its named parts among the components. */
function toSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const made = z.toJSONSchema(schema, { target: 'draft-2020-12', io }) as Json;
  // A name says where a part stands, and the dialect is that of the document; members that are called "id" are objects, and stay.
  const withoutIds = (name: string, value: unknown): unknown =>
    (name === 'id' || name === '$schema') && typeof value === 'string' ? undefined : value;
  const text = JSON.stringify(made, withoutIds).replaceAll('#/$defs/', '#/components/schemas/');
  return JSON.parse(text) as Json;
}
