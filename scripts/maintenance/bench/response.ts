import { once } from 'node:events';
import { connect } from 'node:net';

/** Returns the length of the first response in `text` (Latin-1), or undefined if it is incomplete. */
export function responseLength(text: string): number | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const length = head + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
  return text.length < length ? undefined : length;
}

/** Resolves with the bytes of the response to one request, as Latin-1. */
export async function responseTo(port: number, request: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  socket.write(request);
  let text = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    text += chunk.toString('latin1');
    if (responseLength(text) !== undefined) return text;
  }
  throw new Error(`The server closed the connection before the end of its response: ${JSON.stringify(text)}`);
}
