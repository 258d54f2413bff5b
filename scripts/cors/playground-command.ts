/** Implements `cors:playground`, which starts the server of the playground. */

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { isLoopbackName } from './network-access.ts';
import { createPlayground } from './playground/server.ts';

const HELP = `A page that sends requests from your real browser, and shows why one is blocked.

npm run cors:playground -- [options]

  --target URL    the API that the page calls (default: http://localhost:8000, which npm start serves)
  --routes FILE   the file that lists the paths of the API, for the sample requests (default: src/routes.ts, if
                  the target is on this machine)
  --port PORT     the port of the page (default: 8001; 0: any free port)
  --help          show this text
`;

/** The output and the exit code. If a server was started, the process keeps running. */
export interface CommandResult {
  code: 0 | 2;
  output: string;
  errors: string;
  server?: Server;
}

/** Runs the command and returns its output, which the caller prints. */
export async function startPlayground(commandLine: readonly string[]): Promise<CommandResult> {
  try {
    const settings = readCommandLine([...commandLine]);
    if (settings === 'help') return { code: 0, output: `${HELP}\n`, errors: '' };
    const { target, routes, port } = settings;
    const server = createPlayground(target, routes === undefined ? {} : { routes });
    await listen(server, port);
    const page = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { code: 0, output: `Open ${page} in a browser. The page calls ${target}\n`, errors: '', server };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { code: 2, output: '', errors: `${error.message}\n` };
  }
}

/** The message says what to write instead. */
class UsageError extends Error {}

async function listen(server: Server, port: number): Promise<void> {
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const advice = 'is already in use: stop the process that listens there, or choose another --port';
    throw new UsageError(`--port ${port}: ${code === 'EADDRINUSE' ? advice : message}`);
  }
}

function readCommandLine(commandLine: string[]): 'help' | { target: string; routes: string | undefined; port: number } {
  const values = parse(commandLine);
  if (values.help) return 'help';
  if (!/^https?:\/\//i.test(values.target) || !URL.canParse(values.target)) {
    const advice = 'write the URL of a server, such as http://localhost:8000';
    throw new UsageError(`--target ${values.target}: ${advice}`);
  }
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535) {
    throw new UsageError(`--port ${values.port}: write a number from 0 to 65535`);
  }
  if (values.routes !== undefined && !existsSync(values.routes)) {
    throw new UsageError(`--routes ${values.routes}: this file does not exist; write a file such as src/routes.ts`);
  }
  const { origin, hostname } = new URL(values.target);
  const routes = values.routes ?? (isLoopbackName(hostname) ? 'src/routes.ts' : undefined);
  return { target: origin, routes, port: Number(values.port) };
}

function parse(commandLine: string[]) {
  try {
    return parseArgs({
      args: commandLine,
      options: {
        target: { type: 'string', default: 'http://localhost:8000' },
        routes: { type: 'string' },
        port: { type: 'string', default: '8001' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split(/\. |\n/)[0]} (--help shows the options).`);
  }
}
