/** `npm run cors:playground`: a page of another origin than the API, to send it requests from a real browser. */

import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { isLoopbackName } from './network-access.ts';
import { createPlayground } from './playground/server.ts';

const HELP = `A page to try requests on, in a real browser, and to see why one is blocked.

npm run cors:playground -- [options]

  --target URL    the API that it calls (otherwise http://localhost:8000, which npm start serves)
  --routes FILE   where the paths of the API stand, for the ready-made requests (otherwise src/routes.ts, if the
                  target is on this machine)
  --port PORT     where the page is served (otherwise 8001; 0: any free port)
  --help          this text
`;

const { target, routes, port } = readCommandLine();
const server = createPlayground(target, routes === undefined ? {} : { routes });

server.once('error', (error: NodeJS.ErrnoException) => {
  const isTaken = error.code === 'EADDRINUSE';
  const advice = 'it is taken: stop what listens there, or choose another --port';
  giveUp(`--port ${port}: ${isTaken ? advice : error.message}`);
});
server.listen(port, '127.0.0.1', () => {
  console.log(`Open http://127.0.0.1:${(server.address() as AddressInfo).port} in a browser: it calls ${target}`);
});

function readCommandLine(): { target: string; routes: string | undefined; port: number } {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        target: { type: 'string', default: 'http://localhost:8000' },
        routes: { type: 'string' },
        port: { type: 'string', default: '8001' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    return giveUp(`${(error as Error).message.split(/\. |\n/)[0]} (--help shows the options).`);
  }
  if (values.help) {
    console.log(HELP);
    process.exit();
  }
  if (!/^https?:\/\//i.test(values.target) || !URL.canParse(values.target)) {
    giveUp(`--target ${values.target}: write the address of a server, such as http://localhost:8000`);
  }
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535) {
    giveUp(`--port ${values.port}: write a number from 0 to 65535`);
  }
  if (values.routes !== undefined && !existsSync(values.routes)) {
    giveUp(`--routes ${values.routes}: is not there; write a file such as src/routes.ts`);
  }
  const { origin, hostname } = new URL(values.target);
  const routes = values.routes ?? (isLoopbackName(hostname) ? 'src/routes.ts' : undefined);
  return { target: origin, routes, port: Number(values.port) };
}

function giveUp(message: string): never {
  console.error(message);
  process.exit(2);
}
