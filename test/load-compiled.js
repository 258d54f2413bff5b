// Loads the code that run.ts compiled. If every process started tsx instead, a run would take half as long again.
import { readFileSync } from 'node:fs';
import * as module from 'node:module';
import { isMainThread } from 'node:worker_threads';

const sources = new URL('..', import.meta.url).href;
const compiled = new URL(import.meta.url).searchParams.get('folder');

export function load(url, context, nextLoad) {
  if (!url.startsWith(sources) || !url.endsWith('.ts')) return nextLoad(url, context);
  const file = new URL(`${url.slice(sources.length, -'ts'.length)}js`, compiled);
  return { format: 'module', shortCircuit: true, source: readFileSync(file) };
}

process.setSourceMapsEnabled(true);
// Before Node 22.15, hooks run in a thread of their own, which imports this module again.
if (module.registerHooks) module.registerHooks({ load });
else if (isMainThread) module.register(import.meta.url);
