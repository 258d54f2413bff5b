import assert from 'node:assert/strict';
import { RequestHandler } from '../../../src/http/index.ts';
import { JSON_TYPE, requestBytes, sendRaw } from './connection.ts';
import { type RawResponse, expectResponses } from './response.ts';

class Echo extends RequestHandler {
  override doGet() {
    return 'got';
  }
  override doPost() {
    return this.readJson();
  }
  override doPut() {
    return 'put, unread';
  }
}

export const routes = { '/': Echo };

export function post(body: string | Buffer, headers: readonly string[] = [JSON_TYPE]): Buffer {
  const head = requestBytes('POST /', [...headers, `Content-Length: ${Buffer.byteLength(body)}`]);
  return Buffer.concat([Buffer.from(head), Buffer.from(body)]);
}

/** Posts a body, then sends another request on the same connection to check that it is still usable. */
export async function responseTo(port: number, status: number, request: Buffer): Promise<RawResponse> {
  const after: (() => void)[] = [];
  const bytes = Buffer.concat([request, Buffer.from(requestBytes('GET /', ['Connection: close']))]);
  const received = await sendRaw({ after: (free) => after.push(free as () => void) }, port, bytes);
  for (const free of after) free();
  const [response, next] = expectResponses(received, [status, 200]);
  assert.equal(next!.body, '"got"');
  return response!;
}
