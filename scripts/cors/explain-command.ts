/** Asks a server what a browser would ask it for a page, and says what came of it and why. */

import { lookup } from 'node:dns/promises';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { changesFor, exposure, remarksOn } from './advice.ts';
import { fetchAsPage } from './browser-model.ts';
import { type Answer, type Look, type Question, explanationOf } from './explanation.ts';
import { spaceOf } from './network-access.ts';
import { performHttp } from './perform-http.ts';
import { isForbiddenRequestHeader, normaliseMethod } from './safelists.ts';
import { isTemplate, templateLines } from './template.ts';

const DEFAULT_ORIGIN = 'https://app.example.com';

/** For servers of this machine and its network: a page of the internet is something else to browsers. */
const LOCAL_ORIGINS = ['http://localhost:5173', 'http://localhost:3000'];

/** How long the address of a page's host may take to be found, in milliseconds. */
const PATIENCE = 2_000;

const HELP = `Why does the browser block my request? Asks the server as a browser would, and explains the answers.

npm run cors:explain -- URL [options]

  --origin ORIGIN    the origin of the page that calls (default: ${LOCAL_ORIGINS[0]} for a server on this machine
                     or its network, ${DEFAULT_ORIGIN} for any other)
  --method METHOD    default: GET
  --header HEADER    a header that the page sends, x-token or 'x-token: value'; repeat it for each header
  --body TEXT        the body that it sends
  --credentials      with cookies: credentials: 'include'
  --send             send the request itself too, even if it could change data (POST, PUT, DELETE, ...);
                     without this option, only its preflight is sent
  --json             print JSON, for programs
  --help             show this text

Exit code: 0 allowed by the server (ASKS FIRST too: then the browser asks the user), 1 blocked,
2 no verdict (not reachable, not sent, or not understood).

npm run cors:explain -- http://localhost:8000/notes/1 --method PUT --header content-type --origin http://localhost:5173
`;

/** What a page would send as the value of a header that was given by name only. */
const USUAL_VALUES: Record<string, string> = { 'content-type': 'application/json', authorization: 'Bearer token' };

/** What the command prints, and how it ends. */
export interface Explanation {
  code: 0 | 1 | 2;
  output: string;
  errors: string;
}

/** Runs the command, but leaves it to the caller to print. */
export async function explain(commandLine: readonly string[], look: Look): Promise<Explanation> {
  try {
    const question = readQuestion([...commandLine]);
    if (question === 'help') return { code: 0, output: `${HELP}\n`, errors: '' };
    const answer = await ask(question);
    const { blocked, exchanges } = answer.verdict;
    const isUnreachable = blocked?.reason === 'network-error';
    const code = isUnreachable || answer.allowed === null ? 2 : answer.allowed ? 0 : 1;
    if (question.json) {
      return { code, output: `${JSON.stringify({ page: question.page, ...answer }, null, 2)}\n`, errors: '' };
    }
    if (isUnreachable && exchanges.length === 1) return { code, output: '', errors: `${blocked.detail}\n` };
    return { code, output: explanationOf(question, answer, look), errors: '' };
  } catch (error) {
    if (!(error instanceof Misunderstanding)) throw error;
    return { code: 2, output: '', errors: `${error.message}\n` };
  }
}

// ---- The question ----

/** What was written on the command line cannot be meant; the message says what to write. */
class Misunderstanding extends Error {}

function readQuestion(commandLine: string[]): Question | 'help' {
  const { values, positionals } = parse(commandLine);
  if (values.help) return 'help';
  if (positionals.length !== 1) {
    throw new Misunderstanding('Write one URL, such as http://localhost:8000/notes (--help shows the options).');
  }
  const method = normaliseMethod(values.method ?? 'GET');
  const url = readUrl(positionals[0] ?? '');
  return {
    page: {
      url,
      origin: readOrigin(values.origin ?? usualOrigin(url)),
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

/** A page whose origin is not the server's. */
function usualOrigin(url: string): string {
  const { hostname, origin } = new URL(url);
  if (spaceOf(hostname) === 'public') return DEFAULT_ORIGIN;
  return LOCAL_ORIGINS.find((usual) => usual !== origin) ?? DEFAULT_ORIGIN;
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
    throw new Misunderstanding(`${sentence} (--help shows the options).`);
  }
}

function readUrl(text: string): string {
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) return text;
  const isBare = !text.includes('://') && URL.canParse(`http://${text}`);
  const advice = isBare ? `http://${text}` : 'one such as http://localhost:8000/notes';
  throw new Misunderstanding(`${text} is not the address of a server: write ${advice}`);
}

/** As browsers write it. */
function readOrigin(text: string): string {
  if (text === 'null') return text;
  if (/^file:/i.test(text)) {
    throw new Misunderstanding(`--origin ${text}: the origin of a local file is null, so use --origin null`);
  }
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  const origin = URL.canParse(url) ? new URL(url).origin : 'null';
  // Browsers know origins beside http: and https:, such as those of extensions, that new URL does not.
  if (text === origin || (origin === 'null' && /^[a-z][a-z0-9+.-]*:\/\/[^/?#]+$/.test(text))) return text;
  const advice = origin === 'null' ? DEFAULT_ORIGIN : origin;
  throw new Misunderstanding(`--origin ${text} is not what browsers send: write ${advice}`);
}

function readHeader(text: string): [name: string, value: string] {
  const colon = text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  const value = colon < 0 ? (USUAL_VALUES[name.toLowerCase()] ?? '1') : text.slice(colon + 1).trim();
  if (isForbiddenRequestHeader([name, value])) {
    throw new Misunderstanding(`--header ${name}: no page can set it, only the browser can. Leave it out.`);
  }
  return [name, value];
}

// ---- The answer ----

async function ask({ page, send }: Question): Promise<Answer> {
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

/** Of the host that a page comes from, as far as its name can be looked up soon. */
async function addressOf(origin: string): Promise<string | undefined> {
  const impatience = setTimeout(PATIENCE, undefined, { ref: false });
  const hostname = new URL(origin).hostname.replace(/^\[|\]$/g, '');
  const found = lookup(hostname).then(({ address }) => address, () => undefined);
  return Promise.race([found, impatience]);
}
