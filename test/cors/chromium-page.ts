import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/** A page in Chromium that a test can use as a user would. */
export interface ChromiumPage {
  /** Runs a script in the page, and gives what its promise comes to. */
  run(script: string): Promise<unknown>;
  /** Waits until an expression is true in the page. */
  until(expression: string): Promise<void>;
}

/** How long the page may take for anything, in milliseconds. */
const PATIENCE = 15_000;

/** Opens a page in a window of this size, in a Chromium that was launched by launchBrowser. */
export async function openInChromium(
  chromium: ChildProcess, url: string, width: number, height: number,
): Promise<ChromiumPage> {
  const [commands, answers] = [chromium.stdio[3] as Writable, chromium.stdio[4] as Readable];
  const waiting = new Map<number, (message: Message) => void>();
  let text = '';
  answers.setEncoding('utf8').on('data', (chunk) => {
    const messages = (text += chunk).split('\0');
    text = messages.pop() ?? '';
    for (const message of messages.map((each) => JSON.parse(each) as Message)) waiting.get(message.id ?? -1)?.(message);
  });
  let count = 0;
  const send = async (method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> => {
    const id = ++count;
    const answered = new Promise<Message>((resolve) => waiting.set(id, resolve));
    commands.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    const { result, error } = await inTime(answered, `Chromium did not answer ${method}`);
    if (!result) throw new Error(`${method}: ${error?.message}`);
    return result;
  };

  const window = { url: 'about:blank', newWindow: true };
  const { targetId } = await send('Target.createTarget', window);
  const sessionId = (await send('Target.attachToTarget', { targetId, flatten: true }))['sessionId'] as string;
  const screen = { width, height, deviceScaleFactor: 1, mobile: false };
  await send('Emulation.setDeviceMetricsOverride', screen, sessionId);
  // What other windows do leaves it in the foreground.
  await send('Emulation.setFocusEmulationEnabled', { enabled: true }, sessionId);
  await send('Page.navigate', { url }, sessionId);

  const run = async (script: string): Promise<unknown> => {
    const expression = `(async () => { ${script} })()`;
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await send('Runtime.evaluate', options, sessionId);
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value?: unknown }).value;
  };
  return {
    run,
    async until(expression) {
      const script = `while (!(${expression})) await new Promise(requestAnimationFrame);`;
      await inTime(run(script), `the page did not come to ${expression}`);
    },
  };
}

interface Message {
  id?: number;
  result?: Record<string, unknown>;
  error?: { message: string };
}

async function inTime<Value>(promise: Promise<Value>, message: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${message} in ${PATIENCE / 1000} seconds`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
