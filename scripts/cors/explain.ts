/** `npm run cors:explain`: asks a server what a browser would ask it for a page, and says what came of it and why. */

import { STATUS_CODES } from 'node:http';
import { parseArgs, stripVTControlCharacters } from 'node:util';
import {
  type Change, HOW_TO_SET, changesFor, exposure, hiddenHeaders, isTelling, isTemplate, outcomeOf, problemDetail,
  sentenceOf, templateLines,
} from './advice.ts';
import {
  type Exchange, type PageRequest, type Verdict, fetchAsPage, isForbiddenRequestHeader, normaliseMethod,
} from './browser-model.ts';
import { performHttp } from './perform-http.ts';

const DEFAULT_ORIGIN = 'https://app.example.com';

const HELP = `Why does the browser block my request? Asks the server as a browser would, and explains the answers.

npm run cors:explain -- URL [options]

  --origin ORIGIN    the page that calls, such as http://localhost:5173 (otherwise ${DEFAULT_ORIGIN})
  --method METHOD    otherwise GET
  --header HEADER    a header that the page sends, x-token or 'x-token: value'; once for each
  --body TEXT        the body that it sends
  --credentials      with cookies: credentials: 'include'
  --send             send the request itself, too, where it could change something (POST, PUT, DELETE, ...);
                     without this option, only the question whether it may be sent
  --json             for programs
  --help             this text

Exit code: 0 allowed, 1 blocked, 2 no verdict (not reachable, not sent, or not understood).

npm run cors:explain -- http://localhost:8000/notes/1 --method PUT --header content-type --origin http://localhost:5173
`;

/** What a page would send as the value of a header that was given by name only. */
const USUAL_VALUES: Record<string, string> = { 'content-type': 'application/json', authorization: 'Bearer token' };

interface Question {
  page: PageRequest & { method: string; headers: [name: string, value: string][] };
  isOriginGiven: boolean;
  /** Whether the request itself may be sent, and not only the preflight. */
  send: boolean;
  json: boolean;
}

interface Answer {
  /** Null where that shows only when the request is sent. */
  allowed: boolean | null;
  /** Whether the request itself was sent, and not only the preflight. */
  sent: boolean;
  verdict: Verdict;
  changes: Change[];
  exposure: Change | undefined;
  isTemplate: boolean;
}

async function main(commandLine: string[]): Promise<number> {
  try {
    const question = readQuestion(commandLine);
    if (question === 'help') {
      console.log(HELP);
      return 0;
    }
    const answer = await ask(question);
    const unreachable = answer.verdict.blocked?.reason === 'network-error';
    if (question.json) console.log(JSON.stringify({ page: question.page, ...answer }, null, 2));
    else if (unreachable) console.error(`${answer.verdict.blocked?.detail}. Start the server, or write another address.`);
    else print(question, answer);
    return unreachable || answer.allowed === null ? 2 : answer.allowed ? 0 : 1;
  } catch (error) {
    if (!(error instanceof Misunderstanding)) throw error;
    console.error(error.message);
    return 2;
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
  return {
    page: {
      url: readUrl(positionals[0] ?? ''),
      origin: readOrigin(values.origin ?? DEFAULT_ORIGIN),
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
  throw new Misunderstanding(`${text} is no address of a server: write ${advice}`);
}

/** As browsers write it. */
function readOrigin(text: string): string {
  if (text === 'null') return text;
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
    throw new Misunderstanding(`--header ${name}: no page can set it, the browser alone does. Leave it out.`);
  }
  return [name, value];
}

// ---- The answer ----

async function ask({ page, send }: Question): Promise<Answer> {
  const verdict = await fetchAsPage(page, performHttp, { preflightOnly: !send });
  const sent = verdict.exchanges.some(({ kind }) => kind === 'request');
  const changes = await changesFor(page, verdict);
  const exposed = exposure(verdict);
  const hasLines = templateLines([...changes, ...(exposed ? [exposed] : [])]) !== undefined;
  return {
    allowed: verdict.allowed && verdict.exchanges.length === 0 ? null : verdict.allowed,
    sent,
    verdict,
    changes,
    exposure: exposed,
    isTemplate: hasLines && (await isTemplate(verdict, performHttp)),
  };
}

// ---- Printing ----

const isColoured = process.stdout.isTTY === true && !process.env['NO_COLOR'];
const style = (code: number) => (text: string) => (isColoured ? `\x1b[${code}m${text}\x1b[0m` : text);
const bold = style(1);
const dim = style(2);
const red = style(31);
const green = style(32);
const yellow = style(33);

function print({ page, isOriginGiven }: Question, answer: Answer): void {
  const { allowed, sent, verdict, changes } = answer;
  const cookies = page.credentials === 'include' ? ', with cookies' : '';
  paragraph(`A page of ${bold(page.origin)} calls ${bold(`${page.method} ${page.url}`)}${cookies}.`);
  if (!isOriginGiven) paragraph(dim('(No --origin was given, so this is a page that the server may not know.)'));

  verdict.exchanges.forEach((exchange, index) => printExchange(exchange, index + 1));

  const outcome = printable(outcomeOf(page, verdict));
  if (allowed === null) {
    paragraph(`${bold(yellow('NOT SENT'))}  ${outcome} Add --send to send it.`);
  } else if (allowed) {
    const notSent = sent ? '' : ' It was not sent, because it could change something: add --send to send it.';
    paragraph(`${bold(green('ALLOWED'))}  ${outcome}${notSent}`);
  } else {
    paragraph(`${bold(red('BLOCKED'))}  ${outcome}`);
    paragraph(dim(`The standard: ${verdict.blocked?.section} (https://fetch.spec.whatwg.org).`));
  }

  if (verdict.response) {
    line(`The page can read: ${list(verdict.readableHeaders ?? [])}.`);
    paragraph(`It cannot read: ${list(hiddenHeaders(verdict))}.`);
  }
  if (changes.length > 0) printChanges('What to change', changes, answer.isTemplate);
  if (answer.exposure) printChanges('If the page needs more', [answer.exposure], answer.isTemplate);
}

function printExchange(exchange: Exchange, number: number): void {
  const { request, response } = exchange;
  line(printable(`${number}. ${sentenceOf(exchange)}`));
  console.log();
  console.log(`   ${dim('>')} ${request.method} ${request.url}`);
  for (const header of request.headers.filter(isTelling)) console.log(`   ${dim('>')} ${header.join(': ')}`);
  if (request.credentials) console.log(`   ${dim('> (and the cookies that the browser has for this address)')}`);
  console.log();
  if (!response) return;
  console.log(`   ${dim('<')} ${response.status} ${STATUS_CODES[response.status] ?? ''}`.trimEnd());
  for (const header of response.headers.filter(isTelling)) console.log(`   ${dim('<')} ${printable(header.join(': '))}`);
  const detail = problemDetail(response);
  if (detail) console.log(`   ${dim('<')} ${printable(`"${detail}"`)}`);
  console.log();
}

function printChanges(title: string, changes: Change[], isForTemplate: boolean): void {
  line(bold(title));
  for (const { text } of changes) line(printable(`- ${text}`));
  console.log();
  const lines = templateLines(changes);
  if (!lines) return;
  if (!isForTemplate) {
    paragraph(dim(NOT_RECOGNISED));
    return;
  }
  line(`${bold('In this server')}, which is made from this template, as its errors show:`);
  console.log();
  for (const text of [...lines.variables, ...lines.code]) console.log(`  ${printable(text)}`);
  console.log();
  if (lines.variables.length > 0) paragraph(dim(HOW_TO_SET));
}

const NOT_RECOGNISED =
  '(Nothing in its answers shows that this server is made from this template. ' +
  'If it is, the README says which variable or method does this.)';

function list(names: readonly string[]): string {
  return printable(names.join(', ')) || 'nothing';
}

/** What a server says must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/[\0-\x1F\x7F-\x9F]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function paragraph(text: string): void {
  line(text);
  console.log();
}

/** Words in lines of at most 100 columns; what follows a number or a dash is indented. */
function line(text: string): void {
  const width = Math.min(process.stdout.columns || 100, 100);
  const indent = ' '.repeat(/^(?:\d+\. |- )?/.exec(text)?.[0].length ?? 0);
  let current = '';
  for (const word of text.split(' ')) {
    if (current && stripVTControlCharacters(`${current} ${word}`).length > width) {
      console.log(current);
      current = indent + word;
    } else {
      current = current ? `${current} ${word}` : word;
    }
  }
  console.log(current);
}

process.exitCode = await main(process.argv.slice(2));
