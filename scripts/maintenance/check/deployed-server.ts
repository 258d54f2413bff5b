import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { required } from '../../../test/required-settings.ts';

/** For each step of a server. */
const STEP_LIMIT_MS = 20_000;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
/** Older versions cannot strip types. */
export const canStripTypes = major > 22 || (major === 22 && minor >= 18);

/** Puts package.json and the build into a folder, as a deployment needs them. */
export function strippedInto(folder: string): void {
  cpSync('package.json', join(folder, 'package.json'));
  const flags = ['--disable-warning=ExperimentalWarning', 'scripts/deploy/strip-types.ts'];
  execFileSync(process.execPath, [...flags, 'src', join(folder, 'build')]);
}

interface Deployment {
  readonly folder: string;
  readonly command: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
}

/** A server that runs as a deployment would run it. */
export class DeployedServer {
  readonly url: string;
  readonly process: ChildProcess;
  readonly #output: { errors: string };

  private constructor(url: string, child: ChildProcess, output: { errors: string }) {
    this.url = url;
    this.process = child;
    this.#output = output;
  }

  /** Resolves once the server listens, and rejects if it ends before that. */
  static async start(t: TestContext, { folder, command, environment }: Deployment): Promise<DeployedServer> {
    // Node 25 and newer need a flag for the network, as the deployment files say.
    const flags = major < 25 || !command.includes('--permission') ? [] : ['--allow-net', '--no-warnings'];
    const child = spawn(command[0]!, [...flags, ...command.slice(1)], {
      cwd: folder,
      env: { LOG: 'off', ...required, ...environment, HOST: '127.0.0.1', PORT: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.after(() => child.kill('SIGKILL'));
    const output = { errors: '' };
    let printed = '';
    child.stderr.on('data', (chunk) => (output.errors += chunk));
    child.stdout.on('data', (chunk) => (printed += chunk));
    const limit = { signal: AbortSignal.timeout(STEP_LIMIT_MS) };
    for (;;) {
      const url = /http:\/\/[\d.:]+(?=\s|")/.exec(printed)?.[0];
      if (url) return new DeployedServer(url, child, output);
      await Promise.race([once(child.stdout, 'data', limit), once(child, 'close', limit)]);
      assert.equal(child.exitCode, null, `The server ended before it listened: ${output.errors}`);
    }
  }

  fetch(path: string, options: RequestInit = {}): Promise<Response> {
    return fetch(this.url + path, { signal: AbortSignal.timeout(STEP_LIMIT_MS), ...options });
  }

  /** Resolves once the server has stopped, and rejects if it fails or has written to standard error. */
  async stop(): Promise<void> {
    const closed = once(this.process, 'close', { signal: AbortSignal.timeout(STEP_LIMIT_MS) });
    this.process.kill('SIGTERM');
    assert.deepEqual(await closed, [0, null]);
    assert.equal(this.#output.errors, '');
  }
}
