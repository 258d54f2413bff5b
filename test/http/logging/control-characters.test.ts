import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestBytes, sendRaw } from '../support/connection.ts';
import { expectResponses } from '../support/response.ts';
import { ServerProcess } from '../support/server-process.ts';

for (const log of ['json', 'text'] as const) {
  test(`escapes control characters of requests in the log: LOG=${log}`, async (t) => {
    const server = new ServerProcess(t, { log });
    const port = await server.port();
    const controls = Array.from({ length: 160 }, (_, code) => String.fromCharCode(code))
      .filter((character) => /[\x00-\x1f\x7f-\x9f]/.test(character));
    await Promise.all(controls.map(async (control) => {
      await sendRaw(t, port, `GET /${control} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
      await sendRaw(t, port, `GET / HTTP/1.1\r\nHost: ${control}\r\nConnection: close\r\n\r\n`);
      await sendRaw(t, port, requestBytes('GET /', [`User-Agent: ${control}`, 'Connection: close']));
    }));
    const message = JSON.stringify(controls.filter((control) => control !== '\n').join(''));
    const headers = [
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(message)}`,
      'Connection: close',
    ];
    expectResponses(await sendRaw(t, port, Buffer.from(requestBytes('POST /throw', headers, message))), [500]);
    server.child.kill('SIGTERM');
    await server.ended();
    const written = server.output + server.errors;
    assert.doesNotMatch(written, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    for (const escape of ['\\u001b', '\\u007f', '\\u009b']) assert.ok(written.includes(escape));
    if (log === 'json') for (const line of written.trim().split('\n')) assert.ok(JSON.parse(line).time);
  });
}
