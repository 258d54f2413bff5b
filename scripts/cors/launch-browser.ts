/** Finds, starts and closes real browsers without a window, to compare the model with them. */

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

export const BROWSERS = ['chromium', 'firefox'] as const;
export type Browser = (typeof BROWSERS)[number];

const COMMANDS: Record<Browser, readonly string[]> = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome'],
  firefox: ['firefox-esr', 'firefox'],
};

/** Disables first-run pages, updates, telemetry and session restore. */
const FIREFOX_PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.newtabpage.enabled': false,
  'browser.safebrowsing.downloads.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.search.update': false,
  'browser.sessionstore.resume_from_crash': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.startup.page': 0,
  'datareporting.healthreport.uploadEnabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.blocklist.enabled': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.systemAddon.update.enabled': false,
  'extensions.update.enabled': false,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'network.proxy.type': 0,
  'services.settings.server': 'data:,',
  'startup.homepage_welcome_url': '',
  'toolkit.telemetry.enabled': false,
  'toolkit.telemetry.reportingpolicy.firstRun': false,
};

/** Returns the path of an installed browser, or undefined if it is not installed. */
export function browserPath(name: Browser): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return COMMANDS[name].flatMap((command) => folders.map((folder) => join(folder, command))).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Returns the option `skip` of a test in this browser, which says what to install. With CI=true, it is always false.
 */
export function skipWithout(name: Browser): string | false {
  return browserPath(name) || process.env['CI'] === 'true' ? false : howToInstall(name);
}

/** A scope, such as a test, that runs clean-up callbacks at its end. */
export interface Lifetime {
  after(close: () => Promise<void>): void;
}

export interface LaunchOptions {
  /** More command-line arguments for Chromium. */
  chromium?: readonly string[];
  /** More preferences for Firefox. */
  firefox?: Readonly<Record<string, string | number | boolean>>;
}

export interface Launched {
  /** Chromium reads commands of the DevTools protocol from `stdio[3]`, and writes their results to `stdio[4]`. */
  process: ChildProcess;
  /** Rejects if the browser exits before the end of its lifetime. Race it with the report of the page. */
  ended: Promise<never>;
}

/** Opens a page in a headless browser with a fresh profile. The page reports back over HTTP. */
export function launchBrowser(lifetime: Lifetime, name: Browser, url: string, options: LaunchOptions = {}): Launched {
  const path = browserPath(name);
  if (!path) throw new Error(howToInstall(name));
  const profile = mkdtempSync(join(tmpdir(), `${name}-`));
  const commandLine = name === 'chromium'
    ? [...chromiumArguments(profile), ...(options.chromium ?? [])]
    : firefoxArguments(profile, { ...FIREFOX_PREFERENCES, ...options.firefox });
  const browser = spawn(path, [...commandLine, url], {
    stdio: name === 'chromium' ? ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] : 'ignore',
    env: { ...process.env, MOZ_CRASHREPORTER_DISABLE: '1' },
  });
  lifetime.after(() => close(browser, profile));

  const ended = new Promise<never>((_resolve, reject) => {
    browser.once('error', reject);
    browser.once('exit', (code, signal) => reject(new Error(`${name} exited too early (${signal ?? code})`)));
  });
  ended.catch(() => {}); // The exit at the end of the lifetime is intended.
  return { process: browser, ended };
}

function chromiumArguments(profile: string): string[] {
  return [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run',
    '--no-default-browser-check', '--no-proxy-server', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--disable-breakpad', '--remote-debugging-pipe', `--user-data-dir=${profile}`,
  ];
}

function firefoxArguments(profile: string, preferences: object): string[] {
  const lines = Object.entries(preferences).map((line) => `user_pref(${JSON.stringify(line).slice(1, -1)});\n`);
  writeFileSync(join(profile, 'user.js'), lines.join(''));
  return ['--headless', '--no-remote', '--profile', profile];
}

async function close(browser: ChildProcess, profile: string): Promise<void> {
  if (browser.pid !== undefined && browser.exitCode === null && browser.signalCode === null) {
    browser.kill('SIGKILL');
    await once(browser, 'exit');
  }
  // Other processes of the browser may still write into the profile.
  await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

function howToInstall(name: Browser): string {
  return `${name} is not installed: apt-get install ${COMMANDS[name][0]}`;
}
