import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test } from 'node:test';
import { shutdown } from '../../src/http/index.ts';
import { listen } from '../../test/listen.ts';
import { eventsRoutes } from './events.ts';

const LIMIT = { timeout: 20_000 };

test('sends the headers at once, and each event when it happens', LIMIT, async (t) => {
  const events = new EventEmitter();
  const { url } = await listen(t, eventsRoutes(events));
  const response = await fetch(`${url}/events`);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  assert.equal(response.headers.get('x-accel-buffering'), 'no');
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  for (const id of [1, 2]) {
    events.emit('message', { id });
    assert.equal((await reader.read()).value, `data: {"id":${id}}\n\n`);
  }
  await reader.cancel();
});

test('sends a comment every thirty seconds, so that no proxy ends the stream', LIMIT, async (t) => {
  const { url } = await listen(t, eventsRoutes(new EventEmitter()));
  const { mock } = t.mock.method(globalThis, 'setInterval');
  const response = await fetch(`${url}/events`);
  const timer = mock.calls.find(({ arguments: [, milliseconds] }) => milliseconds === 30_000)!;
  timer.arguments[0]();
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader.read()).value, ':\n\n');
  await reader.cancel();
});

test('ends the stream without an event when a graceful shutdown begins', LIMIT, async (t) => {
  const { server, url } = await listen(t, eventsRoutes(new EventEmitter()));
  const response = await fetch(`${url}/events`);
  const stopped = shutdown(server, { timeout: 10 });
  assert.equal(await response.text(), '');
  assert.equal(await stopped, true);
});

test('lets a page reconnect that opens the stream while the server is shutting down', LIMIT, async (t) => {
  const { server, url } = await listen(t, eventsRoutes(new EventEmitter()));
  const stopped = shutdown(server, { delay: 0.5, timeout: 10 });
  const response = await fetch(`${url}/events`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  assert.equal(await response.text(), '');
  assert.equal(await stopped, true);
});

test('stops listening when the page is closed', LIMIT, async (t) => {
  const events = new EventEmitter();
  const { url } = await listen(t, eventsRoutes(events));
  const page = new AbortController();
  await fetch(`${url}/events`, { signal: page.signal });
  assert.equal(events.listenerCount('message'), 1);
  const removed = once(events, 'removeListener');
  page.abort();
  await removed;
});

test('ends the stream of a client that does not read', LIMIT, async (t) => {
  const events = new EventEmitter();
  const { url } = await listen(t, eventsRoutes(events));
  const response = await fetch(`${url}/events`);
  const removed = once(events, 'removeListener');
  const large = 'a'.repeat(1024 * 1024);
  for (let count = 0; count < 64; count++) events.emit('message', large);
  await removed;
  await response.body!.cancel();
});
