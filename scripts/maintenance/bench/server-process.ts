import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

export interface StartOptions {
  readonly environment?: NodeJS.ProcessEnv;
}

export interface ServerProcess {
  readonly port: number;
  readonly id: number;
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;

const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/**
 * Starts a program that prints its address, and resolves once it has.
 *
 * @throws Error with the output of the program if it stops before that
 */
export async function startServer(
  command: string,
  parameters: readonly string[],
  options: StartOptions = {},
): Promise<ServerProcess> {
  const child = spawn(command, parameters, {
    env: { ...process.env, NODE_ENV: 'production', ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const closed = once(child, 'close').catch(() => {}).finally(() => running.delete(child));
  const timer = setTimeout(() => child.kill('SIGKILL'), START_TIMEOUT_MS);
  let printed = '';
  child.on('error', (error) => (printed += error.message));
  child.stderr!.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  for await (const line of createInterface(child.stdout!)) {
    const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (!port) continue;
    clearTimeout(timer);
    child.stdout!.resume();
    const stop = async () => {
      child.kill('SIGTERM');
      await closed;
    };
    return { port: Number(port), id: child.pid!, stop };
  }
  await closed;
  clearTimeout(timer);
  throw new Error(printed.trim() || `${command} ${parameters.join(' ')} stopped before it listened`);
}

/** Returns the CPU time of a process so far, which Linux lists in /proc/pid/stat (proc(5), utime and stime). */
export function cpuSeconds(id: number): number {
  const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ')[1]!.split(' ');
  const TICKS = 100;
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

/** Returns the peak memory of a process in MB, which Linux lists in /proc/pid/status (proc(5), VmHWM). */
export function peakMemory(id: number): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1];
  return (Number(kibibytes) * 1024) / 1e6;
}
