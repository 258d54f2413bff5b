import type { SendCommand } from './devtools.ts';
import { within } from './within.ts';

/** A page in Chromium that a test can control. */
export interface ChromiumPage {
  /** Runs a script in the page, and returns the value of its promise. */
  run(script: string): Promise<unknown>;
  /** Waits until an expression is true in the page. */
  until(expression: string): Promise<void>;
}

/** Opens a page in a window of this size. */
export async function openInChromium(
  send: SendCommand, url: string, width = 1280, height = 800,
): Promise<ChromiumPage> {
  const { targetId } = await send('Target.createTarget', { url: 'about:blank', newWindow: true });
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
  const sendToPage = (method: string, params: object) => send(method, params, sessionId as string);
  const screen = { width, height, deviceScaleFactor: 1, mobile: false };
  await sendToPage('Emulation.setDeviceMetricsOverride', screen);
  // Other windows must not take away the focus.
  await sendToPage('Emulation.setFocusEmulationEnabled', { enabled: true });
  await sendToPage('Page.navigate', { url });

  const run = async (script: string): Promise<unknown> => {
    const expression = `(async () => { ${script} })()`;
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await sendToPage('Runtime.evaluate', options);
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value?: unknown }).value;
  };
  return {
    run,
    async until(expression) {
      const script = `while (!(${expression})) await new Promise(requestAnimationFrame);`;
      await within(`in the page: ${expression}`, run(script));
    },
  };
}
