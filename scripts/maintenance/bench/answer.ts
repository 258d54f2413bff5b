import { once } from 'node:events';
import { connect } from 'node:net';

/** How long the answer is that `text`, bytes as Latin-1, begins with; undefined while some of it is missing. */
export function answerLength(text: string): number | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const length = head + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
  return text.length < length ? undefined : length;
}

/** The bytes of the answer to one request, as Latin-1. */
export async function answerTo(port: number, request: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.write(request);
  let text = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1');
    if (answerLength(text) !== undefined) return text;
  }
  throw new Error(`The server closed before the end of its answer: ${JSON.stringify(text)}`);
}
