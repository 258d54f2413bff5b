import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { expectResponses } from '../support/response.ts';

const SERVER = `
import { RequestHandler, createServer } from './src/http/index.ts';
class Length extends RequestHandler {
  async doPost() {
    return (await this.readJson()).length;
  }
  async doPut() {
    return (await this.readBody()).length;
  }
}
const server = createServer({ '/': Length });
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
`;

test(
  'reads 160,000 one-byte chunks in bounded memory: three such bodies fit into a 48 MB heap',
  { timeout: 60_000 },
  async (t) => {
    const child = spawn(
      process.execPath,
      ['--max-old-space-size=48', ...process.execArgv, '--input-type=module', '--eval', SERVER],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    t.after(() => child.kill('SIGKILL'));
    const [printed] = await once(child.stdout!, 'data');
    const port = Number(printed);
    const chunks = Buffer.from(`1\r\n"\r\n${'1\r\nx\r\n'.repeat(160_000)}1\r\n"\r\n0\r\n\r\n`);
    const upload = (method: string) => {
      const head = requestBytes(`${method} /`, [
        'Content-Type: application/json',
        'Transfer-Encoding: chunked',
        'Connection: close',
      ]);
      return sendRaw(t, port, Buffer.concat([Buffer.from(head), chunks]));
    };
    const received = await Promise.all(['POST', 'POST', 'PUT'].map(upload));
    assert.deepEqual(
      received.map((bytes) => expectResponses(bytes, [200])[0]!.body),
      ['160000', '160000', '160002'],
    );
    child.stdin!.end();
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
  },
);
