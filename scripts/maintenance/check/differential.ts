/**
 * Sends random requests of a page through the model and through the installed browsers, and prints where they differ in
 * the result for the page or in the requests to the server.
 */

import { once } from 'node:events';
import { Agent, type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { fetchAsPage } from '../../cors/browser-model.ts';
import { BROWSERS, type Browser, browserPath, launchBrowser } from '../../cors/launch-browser.ts';
import { performHttp } from '../../cors/perform-http.ts';
import { PreflightCache } from '../../cors/preflight-cache.ts';
import { NEXT, type Origins, type Stop, caseOf } from './differential-cases.ts';
import { KNOWN, type Known, type Run, type Seen, isSame } from './differential-known.ts';

const HELP = `Sends random requests through the model and the installed browsers, and prints where they differ.

node --import tsx scripts/maintenance/check/differential.ts [options]

  --seconds SECONDS   how long to run (default 20)
  --seed SEED         a number that repeats the same cases (default random)
  --case NUMBER       run only this case, and print all its requests
  --help              this text

Exit code: 0 no unknown difference, 1 differences, 2 no browser or an invalid option.
`;

/** The number of cases that a page requests at once. */
const BATCH = 25;

/** The time that a browser may take for its last batch. */
const BATCH_LIMIT_MS = 30_000;

const MAX_PRINTED_DIFFERENCES = 10;

type Runner = Browser | 'model';

const { seconds, seed, only } = readCommandLine();
const asked = new Map<string, string[]>();
const agent = new Agent({ keepAlive: true });
const seenBy = new Map<Browser, Map<number, Seen[]>>();
/** The deadline of each browser, counted from its first request. */
const deadlines = new Map<Browser, number>();
const closing: (() => Promise<void>)[] = [];
const ends = new Map<Browser, () => void>();

// ---- The server ----

async function serve(): Promise<Server> {
  const server = createServer((request, response) => {
    respond(request, response).catch((error: Error) => response.writeHead(500).end(error.message));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const browser = searchParams.get('browser') as Browser;
  if (pathname === '/') {
    response.setHeader('Content-Type', 'text/html').end(PAGE);
  } else if (pathname === '/cases') {
    response.end(JSON.stringify(nextCases(browser, Number(searchParams.get('from')))));
  } else if (pathname === '/seen') {
    const results = JSON.parse(await text(request)) as [number: number, seen: Seen[]][];
    for (const [number, seen] of results) seenBy.get(browser)?.set(number, seen);
    response.end();
  } else if (pathname === '/stop') {
    await respondToCase(request, response, searchParams);
  } else {
    response.writeHead(404).end();
  }
}

async function respondToCase(
  request: IncomingMessage,
  response: ServerResponse,
  query: URLSearchParams,
): Promise<void> {
  const [number, runner, at] = [Number(query.get('case')), query.get('runner') as Runner, Number(query.get('at'))];
  await text(request);
  record(number, runner, at, request);
  const { preflight, actual } = caseOf(seed, number, origins).stops[at] as Stop;
  const isPreflight = request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
  const { status, headers } = isPreflight ? preflight : actual;
  const next = addressOf(number, runner, at + 1);
  response.writeHead(status, headers.flatMap(([name, value]) => [name, value.replace(NEXT, next)]));
  response.end(request.method === 'HEAD' || status === 204 ? undefined : 'x');
}

function addressOf(number: number, runner: Runner, at: number): string {
  return `/stop?case=${number}&runner=${runner}&at=${at}`;
}

/** Records the part of a request that the model must reproduce. */
function record(number: number, runner: Runner, at: number, { method, headers }: IncomingMessage): void {
  const key = `${number} ${runner}`;
  const wanted = headers['access-control-request-method'];
  const names = headers['access-control-request-headers'];
  const line = [
    method, String(at), headers.origin && `from ${headers.origin}`, wanted && `for ${wanted}`, names && `with ${names}`,
    headers.authorization && 'authorized', headers['content-type'],
  ];
  asked.set(key, [...(asked.get(key) ?? []), line.filter(Boolean).join(' ')]);
}

// ---- The browsers ----

const PAGE = `<!doctype html><title>Differential check</title><script type="module">
  const browser = new URLSearchParams(location.search).get('browser');
  for (let from = 0; ;) {
    const cases = await (await fetch('/cases?browser=' + browser + '&from=' + from)).json();
    if (cases.length === 0) break;
    const results = [];
    for (const [number, url, times, options] of cases) {
      const seen = [];
      for (let time = 0; time < times; time++) {
        seen.push(await fetch(url, { ...options, signal: AbortSignal.timeout(5000) }).then(
          ({ status, headers }) => ({ status, headers: [...headers.keys()].sort() }),
          () => 'blocked',
        ));
      }
      results.push([number, seen]);
      from = number + 1;
    }
    await fetch('/seen?browser=' + browser, { method: 'POST', body: JSON.stringify(results) });
  }
</script>`;

function nextCases(browser: Browser, from: number): unknown[] {
  const deadline = deadlines.get(browser) ?? Date.now() + seconds * 1000;
  deadlines.set(browser, deadline);
  const isOver = only === undefined ? Date.now() > deadline : from > only;
  if (isOver) {
    ends.get(browser)?.();
    return [];
  }
  const numbers = only === undefined ? Array.from({ length: BATCH }, (_, index) => from + index) : [only];
  return numbers.map((number) => {
    const { page, origin, times } = caseOf(seed, number, origins);
    return [number, origin + addressOf(number, browser, 0), times, page];
  });
}

async function runBrowser(browser: Browser): Promise<void> {
  seenBy.set(browser, new Map());
  const ended = new Promise<void>((resolve) => ends.set(browser, resolve));
  const check = { after: (close: () => Promise<void>) => void closing.push(close) };
  const launched = launchBrowser(check, browser, `${origins.page}/?browser=${browser}`).ended;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const message = `${browser} did not finish within ${BATCH_LIMIT_MS / 1000} seconds after its deadline`;
    timer = setTimeout(() => reject(new Error(message)), seconds * 1000 + BATCH_LIMIT_MS);
  });
  await Promise.race([ended, launched, late]).finally(() => clearTimeout(timer));
}

// ---- The model, and the comparison ----

async function modelRun(number: number): Promise<Run> {
  const { page, origin, times } = caseOf(seed, number, origins);
  const cache = new PreflightCache();
  const seen: Seen[] = [];
  asked.delete(`${number} model`);
  for (let time = 0; time < times; time++) {
    const request = { ...page, origin: origins.page, url: origin + addressOf(number, 'model', 0) };
    const { response, readableHeaders } = await fetchAsPage(request, (sent) => performHttp(sent, agent), { cache });
    seen.push(response ? { status: response.status, headers: [...(readableHeaders ?? [])] } : 'blocked');
  }
  return { seen, asked: asked.get(`${number} model`) ?? [] };
}

/** Resolves with whether there are unknown differences. */
async function compare(browser: Browser): Promise<boolean> {
  const known = new Map<Known, number>();
  const differences: string[] = [];
  const results = seenBy.get(browser) ?? new Map<number, Seen[]>();
  for (const [number, seen] of results) {
    const model = await modelRun(number);
    const real: Run = { seen, asked: asked.get(`${number} ${browser}`) ?? [] };
    if (only === undefined && isSame(model, real)) continue;
    const one = caseOf(seed, number, origins);
    const reason = KNOWN.find((reason) => reason.browser === browser && reason.isMeant(model, real, one));
    if (reason && only === undefined) known.set(reason, (known.get(reason) ?? 0) + 1);
    else differences.push(JSON.stringify({ number, ...one, model, [browser]: real }, null, 1));
  }
  console.log(`${browser}: ${results.size} cases, ${differences.length} differences`);
  for (const [{ why }, times] of known) console.log(`  ${times} known differences: ${why}`);
  for (const difference of differences.slice(0, MAX_PRINTED_DIFFERENCES)) console.log(difference);
  return differences.length > 0 || results.size === 0;
}

function readCommandLine(): { seconds: number; seed: number; only: number | undefined } {
  const number = (name: string, value: string | undefined, otherwise: number, most: number): number => {
    if (value === undefined) return otherwise;
    if (/^\d+$/.test(value) && Number(value) <= most) return Number(value);
    return giveUp(`--${name} ${value}: must be a whole number from 0 to ${most}`);
  };
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        seconds: { type: 'string' },
        seed: { type: 'string' },
        case: { type: 'string' },
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
  return {
    seconds: number('seconds', values.seconds, 20, 3600),
    seed: number('seed', values.seed, Math.floor(Math.random() * 2 ** 31), 2 ** 31),
    only: values.case === undefined ? undefined : number('case', values.case, 0, 2 ** 31),
  };
}

function giveUp(message: string): never {
  console.error(message);
  process.exit(2);
}

// ---- The main program, which uses the declarations above ----

const servers = await Promise.all([serve(), serve(), serve()]);
const [pagePort, onePort, otherPort] = servers.map((server) => (server.address() as AddressInfo).port);
const origins: Origins = {
  page: `http://localhost:${pagePort}`,
  apis: [`http://localhost:${onePort}`, `http://127.0.0.1:${otherPort}`],
};

const browsers = BROWSERS.filter((name) => browserPath(name) !== undefined);
for (const name of BROWSERS) if (!browsers.includes(name)) console.log(`${name} is not installed, so it is skipped`);
if (browsers.length === 0) process.exit(2);
console.log(`Seed ${seed}, ${seconds} seconds`);
let failed = false;
try {
  await Promise.all(browsers.map(runBrowser));
  for (const browser of browsers) failed = (await compare(browser)) || failed;
} finally {
  await Promise.all(closing.map((close) => close()));
  agent.destroy();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
}
process.exitCode = failed ? 1 : 0;
