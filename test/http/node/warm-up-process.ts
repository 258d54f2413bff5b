// node warm-up-process.ts 4: sends four requests to a server that has been warmed up, lets V8 collect all garbage, and
// prints the names of the objects of later requests that have become dictionaries, as JSON.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type HandlerClass, RequestHandler, createServer, warmUp } from '../../../src/http/index.ts';

setFlagsFromString('--expose-gc');
setFlagsFromString('--allow-natives-syntax');
const collect = runInNewContext('gc') as () => void;
const isDictionary = new Function('object', 'return !%HasFastProperties(object)') as (object: object) => boolean;

const seen = new Map<string, object>();

class StatusHandler extends RequestHandler {
  constructor(...parameters: ConstructorParameters<HandlerClass>) {
    super(...parameters);
    const [exchange] = parameters;
    seen.set('exchange', exchange).set('head', exchange.head);
  }
  override doGet() {
    return { status: 'OK' };
  }
}

warmUp(createServer({}));
const server = createServer({ '/': StatusHandler });
server.on('request', (request: IncomingMessage, response: ServerResponse) => {
  seen.set('request', request).set('response', response);
});
await once(server.listen(0, '127.0.0.1'), 'listening');
await get(Number(process.argv[2]));
seen.clear();
// Node's sockets and timers release the requests in this time.
await new Promise((resolve) => setTimeout(resolve, 100));
collect();
await get(20);
console.log(JSON.stringify([...seen.keys()].filter((name) => isDictionary(seen.get(name)!))));
process.exit();

async function get(requests: number): Promise<void> {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (let sent = 0; sent < requests; sent++) await (await fetch(url, { headers: { Connection: 'close' } })).text();
}
