import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type RequestListener, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { type Explanation, explain as run } from '../../scripts/cors/explain-command.ts';

/** A page of the internet, by its address: a name would have to be looked up. */
export const app = 'https://203.0.113.7';

/** What the command prints for this question, on a terminal of the usual width. */
export function explain(commandLine: readonly string[]): Promise<Explanation> {
  return run(commandLine, { isColoured: false, width: 100 });
}

/** Runs the command in a process of its own, as a user would, with these variables in its environment. */
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

/** What is explained in running text, without the breaks of its lines. */
export async function explained(...commandLine: string[]): Promise<{ code: number; text: string; output: string }> {
  const { code, output, errors } = await explain(commandLine);
  assert.equal(errors, '');
  return { code, output, text: output.replace(/\s+/g, ' ') };
}

/** A server that is not made from this template. */
export async function listenForeign(t: Pick<TestContext, 'after'>, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What an explanation says to start the server with. */
export function environmentIn(output: string): Record<string, string> {
  return Object.fromEntries([...output.matchAll(/^  ([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]));
}
