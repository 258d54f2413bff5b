import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHandler, type StandardSchema } from '../../../src/http/index.ts';
import { JSON_TYPE, requestBytes, sendRaw } from '../support/connection.ts';
import { listen } from '../support/listen.ts';
import { expectResponses, type RawResponse } from '../support/response.ts';

/** Rejects everything. */
const nothing: StandardSchema = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => ({ issues: [{ message: 'nothing is good', path: Object.keys(value as object) }] }),
  },
};

function post(path: string, body: string, headers: readonly string[] = [JSON_TYPE, 'Connection: close']): string {
  return requestBytes(`POST ${path}`, [...headers, `Content-Length: ${Buffer.byteLength(body)}`], body);
}

class Checked extends RequestHandler {
  override async doPost() {
    await this.readJson(nothing);
  }
}

async function pointerOf(t: Parameters<typeof sendRaw>[0], port: number, body: string): Promise<string> {
  const [response] = expectResponses(await sendRaw(t, port, post('/', body)), [422]) as [RawResponse];
  const { errors } = JSON.parse(response.body!) as { errors: { detail: string; pointer: string }[] };
  assert.equal(errors[0]!.detail, 'nothing is good');
  return errors[0]!.pointer;
}

test('responds 422 with a pointer for keys with lone surrogates', async (t) => {
  const { port } = await listen(t, { '/': Checked });
  for (const key of ['\\ud800', '\\udc00', 'a\\ud800b', '\\udc00\\ud800', '\\ud83d']) {
    assert.match(await pointerOf(t, port, `{"${key}":1}`), /^#\/[\x21-\x7e]+$/, key);
  }
  assert.equal(await pointerOf(t, port, '{"\\ud83d\\ude00":1}'), '#/%F0%9F%98%80');
  assert.equal(await pointerOf(t, port, '{"a/b~c d":1}'), '#/a~1b~0c%20d');
});

test('responds 422 for issues with a symbol in the path or an empty path', async (t) => {
  const paths: (readonly PropertyKey[] | undefined)[] = [[Symbol('s'), 1], [], undefined];
  for (const path of paths) {
    class Rejects extends RequestHandler {
      override async doPost() {
        await this.readJson({
          '~standard': {
            version: 1,
            vendor: 'test',
            validate: () => ({ issues: [path ? { message: 'no', path } : { message: 'no' }] }),
          },
        });
      }
    }
    const { port } = await listen(t, { '/': Rejects });
    expectResponses(await sendRaw(t, port, post('/', '{}')), [422]);
  }
});

test('accepts any Standard Schema, and responds 422 with the path of each issue', async (t) => {
  // Like the schemas of zod, valibot and arktype, these are functions or class instances with additional properties.
  const schema: StandardSchema<{ n: number }> = Object.assign(() => {}, {
    parse: () => {},
    '~standard': {
      version: 1 as const,
      vendor: 'third-party',
      validate: async (value: unknown) =>
        typeof (value as { n?: unknown }).n === 'number'
          ? { value: { n: (value as { n: number }).n * 2 } }
          : { issues: [{ message: 'no number', path: ['list', { key: 0 }, 'a/b~c ü'] }, { message: 'nothing' }] },
    },
  });
  class Doubled extends RequestHandler {
    override async doPost() {
      const { n } = await this.readJson(schema);
      return n;
    }
  }
  const { url } = await listen(t, { '/': Doubled });
  const post = (body: string) => fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  assert.equal(await (await post('{"n":21}')).json(), 42);
  const invalid = await post('{}');
  assert.equal(invalid.status, 422);
  const { errors } = (await invalid.json()) as { errors: unknown };
  assert.deepEqual(errors, [
    { detail: 'no number', pointer: '#/list/0/a~1b~0c%20%C3%BC' },
    { detail: 'nothing', pointer: '#' },
  ]);
});

/** Accepts everything. */
const anything: StandardSchema = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) },
};

class Listed extends RequestHandler {
  override doGet() {
    return this.readQuery(anything);
  }
}

test('returns from readQuery() a string for each name, and a list for a repeated one', async (t) => {
  const { url } = await listen(t, { '/': Listed });
  const response = await fetch(`${url}/?page=2&tag=a&empty=&tag=b%20c&__proto__=1`);
  assert.equal(await response.text(), '{"page":"2","tag":["a","b c"],"empty":"","__proto__":"1"}');
});

test('responds 422 with a pointer into the query if readQuery() rejects it', async (t) => {
  class Rejecting extends RequestHandler {
    override doGet() {
      return this.readQuery(nothing);
    }
  }
  const { url } = await listen(t, { '/': Rejecting });
  const response = await fetch(`${url}/?page=x`);
  const { detail, errors } = (await response.json()) as { detail: string; errors: object[] };
  assert.equal(response.status, 422);
  assert.equal(detail, 'The query does not match its schema');
  assert.deepEqual(errors, [{ detail: 'nothing is good', pointer: '#/page' }]);
});

test('logs which libraries work if the schema is not a Standard Schema', async (t) => {
  const logged: unknown[] = [];
  class Older extends RequestHandler {
    override async doPost() {
      return this.readJson({ parse: () => 1 } as never);
    }
    override logError(error: unknown) {
      logged.push(error);
    }
  }
  const { port } = await listen(t, { '/': Older });
  expectResponses(await sendRaw(t, port, post('/', '1')), [500]);
  assert.match(String(logged), /^TypeError: The schema of the body is not a Standard Schema: use .* zod 3\.24/);
});
