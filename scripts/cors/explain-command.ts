/** Implements `cors:explain`, which sends the requests of a browser and explains the outcome. */

import { lookup } from 'node:dns/promises';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { changesFor, exposure, remarksOn } from './advice.ts';
import { fetchAsPage } from './browser-model.ts';
import { type Call, type Format, type Outcome, explanationOf } from './explanation.ts';
import { spaceOf } from './network-access.ts';
import { performHttp } from './perform-http.ts';
import { isForbiddenRequestHeader, normaliseMethod } from './safelists.ts';
import { isTemplate, templateLines } from './template.ts';

const DEFAULT_ORIGIN = 'https://app.example.com';

/** Default page origins for local servers, because browsers treat public pages differently. */
const LOCAL_ORIGINS = ['http://localhost:5173', 'http://localhost:3000'];

const LOOKUP_TIMEOUT_MS = 2_000;

const HELP = `Why does the browser block my request? Sends the requests of a browser, and explains the responses.

npm run cors:explain -- URL [options]

  --origin ORIGIN    the origin of the calling page (default: ${LOCAL_ORIGINS[0]} for a server on this machine
                     or its network, ${DEFAULT_ORIGIN} for any other)
  --method METHOD    default: GET
  --header HEADER    a header that the page sends, x-token or 'x-token: value'; repeat it for each header
  --body TEXT        the body that the page sends
  --credentials      with cookies (credentials: 'include')
  --send             also send a request that could change data (POST, PUT, DELETE, ...);
                     without this option, only its preflight is sent
  --json             print JSON, for programs
  --help             show this text

Exit code: 0 if the server allows the request (ASKS FIRST too: then the browser asks the user), 1 if it is blocked,
2 without a verdict (the server is not reachable, the request was not sent, or the usage is wrong).

npm run cors:explain -- http://localhost:8000/notes/1 --method PUT --header content-type --origin http://localhost:5173
`;

/** The values of headers that are given by name only. */
const DEFAULT_VALUES: Record<string, string> = { 'content-type': 'application/json', authorization: 'Bearer token' };

/** The output and the exit code of the command. */
export interface CommandResult {
  code: 0 | 1 | 2;
  output: string;
  errors: string;
}

/** Runs the command and returns its output, which the caller prints. */
export async function explain(commandLine: readonly string[], format: Format): Promise<CommandResult> {
  try {
    const call = readCall([...commandLine]);
    if (call === 'help') return { code: 0, output: `${HELP}\n`, errors: '' };
    const outcome = await perform(call);
    const { blocked, exchanges } = outcome.verdict;
    const isUnreachable = blocked?.reason === 'network-error';
    const code = isUnreachable || outcome.allowed === null ? 2 : outcome.allowed ? 0 : 1;
    if (call.json) {
      return { code, output: `${jsonForTerminal({ page: call.page, ...outcome })}\n`, errors: '' };
    }
    if (isUnreachable && exchanges.length === 1) return { code, output: '', errors: `${blocked.detail}\n` };
    return { code, output: explanationOf(call, outcome, format), errors: '' };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { code: 2, output: '', errors: `${error.message}\n` };
  }
}

// ---- The command line ----

/** The message says what to write instead. */
class UsageError extends Error {}

function readCall(commandLine: string[]): Call | 'help' {
  const { values, positionals } = parse(commandLine);
  if (values.help) return 'help';
  if (positionals.length !== 1) {
    const example = 'npm run cors:explain -- http://localhost:8000/notes --origin http://localhost:5173';
    throw new UsageError(`Write one URL. npm run needs -- before it, as in ${example} (--help shows the options).`);
  }
  const method = normaliseMethod(values.method ?? 'GET');
  const url = readUrl(positionals[0] ?? '');
  return {
    page: {
      url,
      origin: readOrigin(values.origin ?? defaultOrigin(url)),
      method,
      headers: (values.header ?? []).map(readHeader),
      ...(values.credentials && { credentials: 'include' as const }),
      ...(values.body !== undefined && { body: values.body }),
    },
    isOriginGiven: values.origin !== undefined,
    send: values.send || ['GET', 'HEAD', 'OPTIONS'].includes(method),
    json: values.json,
  };
}

/** Returns the origin of a page that is not on the server. */
function defaultOrigin(url: string): string {
  const { hostname, origin } = new URL(url);
  if (spaceOf(hostname) === 'public') return DEFAULT_ORIGIN;
  return LOCAL_ORIGINS.find((local) => local !== origin) ?? DEFAULT_ORIGIN;
}

function parse(commandLine: string[]) {
  try {
    return parseArgs({
      args: commandLine,
      allowPositionals: true,
      options: {
        origin: { type: 'string' },
        method: { type: 'string' },
        header: { type: 'string', multiple: true },
        body: { type: 'string' },
        credentials: { type: 'boolean', default: false },
        send: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    const [sentence] = (error as Error).message.split(/\. |\n/);
    throw new UsageError(`${sentence} (--help shows the options).`);
  }
}

function readUrl(text: string): string {
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) return text;
  const isBare = !text.includes('://') && URL.canParse(`http://${text}`);
  const advice = isBare ? `http://${text}` : 'one such as http://localhost:8000/notes';
  throw new UsageError(`${text} is not the URL of a server: write ${advice}`);
}

/** Accepts only what browsers send as Origin. */
function readOrigin(text: string): string {
  if (text === 'null') return text;
  if (/^file:/i.test(text)) {
    throw new UsageError(`--origin ${text}: the origin of a local file is null, so use --origin null`);
  }
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const origin = URL.canParse(url) ? new URL(url).origin : 'null';
  // The origin of an app or an extension, such as capacitor://localhost, is opaque to new URL().
  if (text === origin || (origin === 'null' && /^[a-z][a-z0-9+.-]*:\/\/[^/?#]+$/.test(text))) return text;
  const advice = origin === 'null' ? DEFAULT_ORIGIN : origin;
  throw new UsageError(`--origin ${text} is not what browsers send: write ${advice}`);
}

function readHeader(text: string): [name: string, value: string] {
  const colon = text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  const value = colon < 0 ? (DEFAULT_VALUES[name.toLowerCase()] ?? '1') : text.slice(colon + 1).trim();
  if (isForbiddenRequestHeader([name, value])) {
    throw new UsageError(`--header ${name}: only the browser can set this header, not a page. Leave it out.`);
  }
  return [name, value];
}

// ---- The outcome ----

async function perform({ page, send }: Call): Promise<Outcome> {
  const lookUpPage = () => addressOf(page.origin);
  const verdict = await fetchAsPage(page, performHttp, { preflightOnly: !send, lookUpPage });
  const sent = verdict.exchanges.some(({ kind }) => kind === 'request');
  const changes = await changesFor(page, verdict, performHttp);
  const exposed = exposure(page, verdict);
  const hasLines = templateLines([...changes, ...(exposed ? [exposed] : [])]) !== undefined;
  return {
    allowed: verdict.allowed && verdict.exchanges.length === 0 ? null : verdict.allowed,
    sent,
    verdict,
    changes,
    remarks: remarksOn(page, verdict),
    exposure: exposed,
    isTemplate: hasLines && (await isTemplate(verdict, performHttp)),
  };
}

/** Returns the address of the page's host, or undefined on failure or timeout. */
async function addressOf(origin: string): Promise<string | undefined> {
  const timeout = setTimeout(LOOKUP_TIMEOUT_MS, undefined, { ref: false });
  const hostname = new URL(origin).hostname.replace(/^\[|\]$/g, '');
  const address = lookup(hostname).then(({ address }) => address, () => undefined);
  return Promise.race([address, timeout]);
}

/** Returns JSON that cannot control a terminal. JSON.stringify() leaves the control characters from DEL on. */
function jsonForTerminal(value: object): string {
  const escaped = (control: string) => `\\u00${control.charCodeAt(0).toString(16)}`;
  return JSON.stringify(value, null, 2).replace(/[\x7f-\x9f]/g, escaped);
}
