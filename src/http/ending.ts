import { Stream, type Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { AnswerHead } from './answer-head.ts';
import { cut } from './answer-stream.ts';
import { corsHints } from './cors/hints.ts';
import type { Exchange, Hooks } from './exchange.ts';
import { HttpError } from './http-error.ts';
import type { AccessLogEntry } from './node/log.ts';
import { RequestHandler } from './request-handler.ts';

const INTERNAL_ERROR = new HttpError(500);

/** The method returned `value`, and with that the answer ends: as in Python, it is over when the method is. */
export function finish(exchange: Exchange, value: unknown): void {
  if (exchange.isOver) return;
  const handler = exchange.handler!;
  try {
    if (exchange.stream && value instanceof Stream) {
      finished(value as Writable).then(() => finish(exchange, undefined), (error: unknown) => fail(exchange, error));
      return;
    }
    if (value !== undefined) {
      handler.sendJson(value);
    } else if (!exchange.stream) {
      exchange.setBody('', '');
      handler.endHeaders();
    }
    const stream = streamOf(exchange);
    if (exchange.body === undefined) endStream(stream);
  } catch (error) {
    return fail(exchange, error);
  }
  conclude(exchange);
}

function streamOf({ handler, stream }: Exchange): Writable {
  if (stream) return stream;
  throw new Error(`${handler!.constructor.name}.endHeaders() has sent nothing: return super.endHeaders() in it`);
}

function endStream(stream: Writable): void {
  if (!stream.writableEnded && stream.listenerCount('unpipe') > 0) {
    throw new Error('A stream still flows into the answer, which ends when the method does: return or await it');
  }
  stream.end();
}

/** The method threw `error`, or is given up on because of it. What it had put into the head is dropped. */
export function fail(exchange: Exchange, error: unknown): void {
  if (exchange.isOver) return;
  const hasBegun = exchange.stream !== undefined;
  const isCut = hasBegun && !exchange.response.writableEnded;
  const isFault = hasBegun || !(error instanceof HttpError);
  // By then, the stream and the signal have stopped a method that answers HEAD.
  const isStop = exchange.request.method === 'HEAD' && exchange.stream?.destroyed;
  if (isFault && !isStop) logError(exchange, error);
  if (hasBegun) cut(exchange.response);
  else sendProblem(exchange, error instanceof HttpError ? error : INTERNAL_ERROR);
  // In the middle of its body a client that ends its half has left, as far as anyone can tell.
  const { complete, socket } = exchange.request;
  conclude(exchange, !complete && socket.readableEnded ? 'client disconnected' : isCut ? 'aborted' : undefined);
  exchange.abort(error);
}

/** Nobody waits for the answer any more: the client has left, or the server is stopping. */
export function abandon(exchange: Exchange, reason: 'The client has left' | 'The server has stopped'): void {
  if (exchange.isOver) return;
  const clientLeft = reason === 'The client has left' && exchange.fault === undefined;
  conclude(exchange, clientLeft ? 'client disconnected' : 'aborted');
  exchange.abort(new Error(reason));
}

function sendProblem(exchange: Exchange, problem: HttpError): void {
  try {
    startOver(exchange, problem);
    for (const [name, value] of Object.entries(problem.headers)) exchange.head.add(name, value);
    hooksOf(exchange).endHeaders();
    streamOf(exchange);
  } catch (error) {
    logError(exchange, error);
    if (exchange.stream) return cut(exchange.response);
    // The problem cannot be sent, or an overridden hook throws: the engine's own headers can.
    startOver(exchange, INTERNAL_ERROR);
    exchange.grantHeaders();
    exchange.begin();
  }
}

function startOver(exchange: Exchange, problem: HttpError): void {
  exchange.head = new AnswerHead();
  exchange.head.status = problem.status;
  exchange.setBody(JSON.stringify(problem), 'application/problem+json');
}

function conclude(exchange: Exchange, outcome?: AccessLogEntry['outcome']): void {
  exchange.isOver = true;
  const { isTimed, log } = exchange.state;
  if (!isTimed) return;
  const milliseconds = Math.round((performance.now() - exchange.startedAt) * 1000) / 1000;
  const status = exchange.stream ? exchange.head.status : 0;
  try {
    hooksOf(exchange).logRequest({ status, milliseconds, outcome });
  } catch (error) {
    logError(exchange, error);
  }
  if (log.format === 'text') for (const hint of corsHints(exchange)) log.hint(hint);
}

function logError(exchange: Exchange, error: unknown): void {
  hooksOf(exchange);
  exchange.logError(error);
}

/** RequestHandler's own where no handler was made, or its constructor threw. */
function hooksOf(exchange: Exchange): Hooks {
  return (exchange.handler ??= new RequestHandler(exchange));
}
