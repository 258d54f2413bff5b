import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { within } from './within.ts';

interface Message {
  id?: number;
  result?: Record<string, unknown>;
  error?: { message: string };
}

/** Sends a command of the DevTools protocol to Chromium or to one of its pages, and returns the result. */
export type SendCommand = (method: string, params: object, sessionId?: string) => Promise<Record<string, unknown>>;

/** Connects to a Chromium that was started by launchBrowser. A Chromium has only one such connection. */
export function connectToDevTools(chromium: ChildProcess): SendCommand {
  const [commands, results] = [chromium.stdio[3] as Writable, chromium.stdio[4] as Readable];
  const pending = new Map<number, (message: Message) => void>();
  let text = '';
  results.setEncoding('utf8').on('data', (chunk) => {
    const messages = (text += chunk).split('\0');
    text = messages.pop() ?? '';
    for (const message of messages.map((each) => JSON.parse(each) as Message)) pending.get(message.id ?? -1)?.(message);
  });
  let count = 0;
  return async (method, params, sessionId) => {
    const id = ++count;
    const received = new Promise<Message>((resolve) => pending.set(id, resolve));
    commands.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    const { result, error } = await within(`Chromium responds to ${method}`, received);
    pending.delete(id);
    if (!result) throw new Error(`${method}: ${error?.message}`);
    return result;
  };
}
