import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type RequestListener, createServer } from 'node:http';
import { type CommandResult, explain as run } from '../../scripts/cors/explain-command.ts';
import type { Lifetime } from '../../scripts/cors/launch-browser.ts';
import { serve } from './serve.ts';

/** The origin of a page on the internet. It is an IP address, because a name would have to be looked up. */
export const app = 'https://203.0.113.7';

/** Runs the command for a terminal of the usual width. */
export function explain(commandLine: readonly string[]): Promise<CommandResult> {
  return run(commandLine, { isColoured: false, width: 100 });
}

/** Runs the command in its own process, as a user would, with these environment variables. */
export async function npmRunExplain(commandLine: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [...process.execArgv, 'scripts/cors/explain.ts', ...commandLine], {
    env: { ...process.env, ...environment },
    timeout: 30_000,
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (errors += chunk));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output, errors };
}

/** Runs the command, and also returns its output as running text, without line breaks. */
export async function explained(...commandLine: string[]): Promise<{ code: number; text: string; output: string }> {
  const { code, output, errors } = await explain(commandLine);
  assert.equal(errors, '');
  return { code, output, text: output.replace(/\s+/g, ' ') };
}

/** Starts a server that is not built from this template, and returns its URL. */
export async function listenForeign(lifetime: Lifetime, listener: RequestListener): Promise<string> {
  return `http://127.0.0.1:${await serve(lifetime, createServer(listener))}`;
}

/** Returns the environment variables that an explanation suggests. */
export function environmentIn(output: string): Record<string, string> {
  return Object.fromEntries([...output.matchAll(/^  ([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]));
}
