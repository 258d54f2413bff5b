import type { ChildProcess } from 'node:child_process';
import { type ServerResponse, createServer } from 'node:http';
import { type Browser, type LaunchOptions, type Lifetime, launchBrowser } from '../../scripts/cors/launch-browser.ts';
import { serve } from './serve.ts';
import { within } from './within.ts';

const OPENER = `<!doctype html><title>Opens pages</title><script>
  new EventSource('/urls').onmessage = ({ data }) => open(data, '_blank', 'noopener');
</script>`;

/** A browser that several tests share, because opening a page is far faster than starting a browser. */
export interface OneBrowser {
  process: ChildProcess;
  /** Opens another page. The promise rejects if the browser exits. Race it with the report of the page. */
  open(url: string): Promise<never>;
}

export async function startBrowser(lifetime: Lifetime, name: Browser, options: LaunchOptions): Promise<OneBrowser> {
  let resolveUrls!: (urls: ServerResponse) => void;
  const connected = new Promise<ServerResponse>((resolve) => (resolveUrls = resolve));
  const port = await serve(lifetime, createServer((request, response) => {
    if (request.url === '/urls') resolveUrls(response.writeHead(200, { 'Content-Type': 'text/event-stream' }));
    else response.setHeader('Content-Type', 'text/html').end(OPENER);
  }));
  const { process, ended } = launchBrowser(lifetime, name, `http://127.0.0.1:${port}/`, {
    chromium: ['--disable-popup-blocking', ...(options.chromium ?? [])],
    firefox: { 'dom.disable_open_during_load': false, ...options.firefox },
  });
  const urls = await within(`${name} starts`, Promise.race([connected, ended]));
  return {
    process,
    open(url) {
      urls.write(`data: ${url}\n\n`);
      return ended;
    },
  };
}
