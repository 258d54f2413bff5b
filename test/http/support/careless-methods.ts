import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpError, type RequestHandler } from '../../../src/http/index.ts';

const LARGE = 'y'.repeat(2_000_000);

type Method = (handler: RequestHandler) => unknown;

async function* chunks({ count = 5, size = 1_000, failsAt = -1 } = {}) {
  for (let number = 0; number < count; number++) {
    if (number === failsAt) throw new Error('The source failed');
    yield Buffer.alloc(size, 'x');
    await new Promise(setImmediate);
  }
}

function stream(handler: RequestHandler, options?: Parameters<typeof chunks>[0]): Promise<void> {
  return pipeline(Readable.from(chunks(options)), handler.endHeaders());
}

async function untilAborted({ signal }: RequestHandler): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/** What authors of handlers write, correct or not. The names are part of the tests' messages. */
export const CARELESS_METHODS: Readonly<Record<string, Method>> = {
  value: () => ({ status: 'OK' }),
  nothing: () => undefined,
  laterValue: () => sleep(2, 'later'),
  largeValue: () => LARGE,
  bigInt: () => ({ number: 1n }),
  forgottenAwait: () => ({ promise: Promise.reject(new Error('Nobody awaits this')) }),
  throwingGetter: () => ({ get value() { throw new Error('A getter'); } }),
  thenable: () => ({ then: (resolve: (value: string) => void) => resolve('then') }),
  returnedStream: () => Readable.from(chunks()),
  bodyOf204: (handler) => { handler.sendResponse(204); return 'a body'; },
  ownClose: (handler) => { handler.sendHeader('Connection', 'close'); return 'the last'; },

  httpError: () => { throw new HttpError(409); },
  bug: () => { throw new TypeError('A bug'); },
  laterBug: async () => { await sleep(1); throw new TypeError('A bug'); },
  throwsUndefined: () => { throw undefined; },
  rejectsText: () => Promise.reject('text'),

  json: async (handler) => ({ received: await handler.readJson() }),
  jsonWithoutAwait: (handler) => handler.readJson(),
  bytes: async (handler) => (await handler.readBody()).length,
  smallLimit: async (handler) => (await handler.readBody(10)).length,
  bytesTwice: async (handler) => [await handler.readBody(), await handler.readBody()].length,
  lateRead: async (handler) => { await sleep(5); return (await handler.readBody()).length; },
  forgottenRead: (handler) => { void handler.readJson(); return 'early'; },
  forgottenLateRead: async (handler) => { void handler.readBody(); return sleep(3, 'early'); },
  readThenError: async (handler) => { await handler.readBody(); throw new HttpError(409); },
  readThenWait: async (handler) => { await handler.readBody(); return Promise.any([sleep(9), untilAborted(handler)]); },

  ownLoop: async ({ request }) => { for await (const _ of request); return 'read'; },
  brokenLoop: async ({ request }) => { for await (const _ of request) break; return 'broken off'; },
  ownEvents: ({ request }) => new Promise((resolve) => request.on('end', resolve).on('close', resolve).resume()),
  resumed: ({ request }) => { request.resume(); return 'resumed'; },
  returnedRequest: ({ request }) => request,
  asText: async (handler) => { handler.request.setEncoding('utf8'); return (await handler.readBody()).length; },
  destroyedRequest: ({ request }) => { request.destroy(); return 'destroyed'; },
  destroyedSocket: ({ request }) => { request.socket.destroy(); return 'destroyed'; },

  stream: (handler) => stream(handler),
  largeStream: (handler) => stream(handler, { count: 20, size: 65_536 }),
  endlessStream: (handler) => stream(handler, { count: Infinity, size: 65_536 }),
  failingStream: (handler) => stream(handler, { failsAt: 3 }),
  exactLength: (handler) => { handler.sendHeader('Content-Length', 5_000); return stream(handler); },
  tooLong: (handler) => { handler.sendHeader('Content-Length', 2_500); return stream(handler); },
  tooShort: (handler) => { handler.sendHeader('Content-Length', 9_000); return stream(handler); },
  lateStream: async (handler) => { await sleep(5); await stream(handler); },
  forgottenStream: (handler) => { stream(handler).catch(() => {}); },
  streamThenValue: async (handler) => { await stream(handler); return 'too late'; },
  echo: (handler) => pipeline(handler.request, handler.endHeaders()),
  pipe: (handler) => handler.request.pipe(handler.endHeaders()),
  forgottenPipe: (handler) => { handler.request.pipe(handler.endHeaders()); },
  write: (handler) => { handler.endHeaders().write('text'); },
  largeWrites: (handler) => { const body = handler.endHeaders(); body.write(LARGE); body.write(LARGE); },
  forgottenEnd: (handler) => { const body = handler.endHeaders(); setTimeout(() => body.end('late'), 3); },
  laterEnd: async (handler) => { const body = handler.endHeaders(); await sleep(3); body.end('text'); },
  writeThenBug: (handler) => { handler.endHeaders().write('text'); throw new TypeError('A bug'); },
  writeAfterEnd: (handler) => { const body = handler.endHeaders(); body.end('text'); body.write('more'); },
  endTwice: (handler) => { const body = handler.endHeaders(); body.end('text'); body.end('end'); },
  destroyedBody: (handler) => { const body = handler.endHeaders(); body.write('text'); body.destroy(); },
  failedBody: (handler) => { handler.endHeaders().destroy(new Error('Their own error')); },
  sendThenBug: (handler) => { handler.sendJson('sent'); throw new TypeError('A bug'); },
  sendTwice: (handler) => { handler.sendJson(1); handler.sendJson(2); },

  untilAbort: async (handler) => { await untilAborted(handler); throw handler.signal.reason; },
  valueAfterAbort: async (handler) => { await untilAborted(handler); return 'too late'; },
};
