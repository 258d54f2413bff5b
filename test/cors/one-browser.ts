import type { ChildProcess } from 'node:child_process';
import { type ServerResponse, createServer } from 'node:http';
import { type Browser, type LaunchOptions, type Lifetime, launchBrowser } from '../../scripts/cors/launch-browser.ts';
import { within } from './within.ts';
import { serve } from './serve.ts';

/** Opens the pages that it is told of. */
const DOOR = `<!doctype html><title>Opens pages</title><script>
  new EventSource('/urls').onmessage = ({ data }) => open(data, '_blank', 'noopener');
</script>`;

/** A browser that opens page after page: to start one costs far more than a page in it. */
export interface OneBrowser {
  process: ChildProcess;
  /** Opens a page beside the others. The promise rejects if the browser ends: race it with what the page reports. */
  open(url: string): Promise<never>;
}

export async function startBrowser(lifetime: Lifetime, name: Browser, options: LaunchOptions): Promise<OneBrowser> {
  let isAsked!: (urls: ServerResponse) => void;
  const asked = new Promise<ServerResponse>((resolve) => (isAsked = resolve));
  const port = await serve(lifetime, createServer((request, response) => {
    if (request.url === '/urls') isAsked(response.writeHead(200, { 'Content-Type': 'text/event-stream' }));
    else response.setHeader('Content-Type', 'text/html').end(DOOR);
  }));
  const { process, ended } = launchBrowser(lifetime, name, `http://127.0.0.1:${port}/`, {
    chromium: ['--disable-popup-blocking', ...(options.chromium ?? [])],
    firefox: { 'dom.disable_open_during_load': false, ...options.firefox },
  });
  const urls = await within(`${name} had started`, Promise.race([asked, ended]));
  return {
    process,
    open(url) {
      urls.write(`data: ${url}\n\n`);
      return ended;
    },
  };
}
