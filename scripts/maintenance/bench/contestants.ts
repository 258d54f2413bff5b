import { ourHeaderLines } from './against-baseline.ts';
import { ORIGINS } from './loads.ts';
import { listen, ourServer, startMain } from './our-server.ts';
import { type ServerProcess, type StartOptions, startServer } from './server-process.ts';

export interface Contestant {
  readonly name: string;
  readonly start: (options?: StartOptions) => Promise<ServerProcess>;
}

/** Returns this server, the baseline and alternatives, each as a process of its own that handles all loads. */
export async function contestants(): Promise<Contestant[]> {
  const file = (name: string) => new URL(name, import.meta.url).pathname;
  const origins = JSON.stringify(ORIGINS);
  const server = ourServer();
  const headerLines = JSON.stringify(await ourHeaderLines(await listen(server)));
  server.close();
  const program = (name: string, command: string, ...parameters: string[]): Contestant => ({
    name,
    start: (options) => startServer(command, parameters, options),
  });
  return [
    { name: 'this server', start: startMain },
    program('baseline', process.execPath, ...process.execArgv, file('baseline.ts'), origins, headerLines),
    program('fastify', process.execPath, file('peers/fastify.js'), origins),
    program('hono', process.execPath, file('peers/hono.js'), origins),
    program('polka', process.execPath, file('peers/polka.js'), origins),
    program('express', process.execPath, file('peers/express.js'), origins),
    program('Python', 'python3', file('peers/python.py'), origins),
  ];
}
