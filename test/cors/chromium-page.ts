import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import { browserPath } from '../../scripts/cors/launch-browser.ts';

/** A page in Chromium that a test can use as a person would. */
export interface ChromiumPage {
  /** Runs a script in the page, and gives what its promise comes to. */
  run(script: string): Promise<unknown>;
  /** Waits until an expression is true in the page. */
  until(expression: string): Promise<void>;
}

/** How long the page may take for anything, in milliseconds. */
const PATIENCE = 15_000;

/** Opens a page in a window of this size, and closes it when the test is over. */
export async function openInChromium(t: TestContext, url: string, width: number, height: number): Promise<ChromiumPage> {
  const profile = await mkdtemp(join(tmpdir(), 'chromium-'));
  const browser = spawn(browserPath('chromium')!, [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--no-proxy-server',
    '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-breakpad',
    `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank',
  ], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const ended = once(browser, 'exit');
  t.after(async () => {
    browser.kill('SIGKILL');
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });

  const [commands, answers] = [browser.stdio[3] as Writable, browser.stdio[4] as Readable];
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

  const { targetInfos } = await send('Target.getTargets', {});
  const { targetId } = (targetInfos as { targetId: string; type: string }[]).find(({ type }) => type === 'page')!;
  const sessionId = (await send('Target.attachToTarget', { targetId, flatten: true }))['sessionId'] as string;
  const screen = { width, height, deviceScaleFactor: 1, mobile: false };
  await send('Emulation.setDeviceMetricsOverride', screen, sessionId);
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
