/** The text of `cors:explain`: the dialogue, the verdict, and what to change. */

import { STATUS_CODES } from 'node:http';
import { stripVTControlCharacters } from 'node:util';
import { hiddenHeaders } from './advice.ts';
import type { Exchange, PageRequest, Verdict } from './browser-model.ts';
import type { Change } from './change.ts';
import { isTelling, labelOf, outcomeOf, sentenceOf, stepsOf } from './sentences.ts';
import { HOW_TO_SET, problemDetail, templateLines } from './template.ts';

export interface Question {
  page: PageRequest & { method: string; headers: [name: string, value: string][] };
  isOriginGiven: boolean;
  /** Whether the request itself may be sent, and not only the preflight. */
  send: boolean;
  json: boolean;
}

export interface Answer {
  /** Null where that shows only when the request is sent. */
  allowed: boolean | null;
  /** Whether the request itself was sent, and not only the preflight. */
  sent: boolean;
  verdict: Verdict;
  changes: Change[];
  /** What is to be known of an answer that the page gets. */
  remarks: Change[];
  exposure: Change | undefined;
  isTemplate: boolean;
}

/** How the text is set. */
export interface Look {
  isColoured: boolean;
  /** In characters; words beyond go to the next line. */
  width: number;
}

/** The dialogue, the verdict, and what to change. */
export function explanationOf({ page, isOriginGiven }: Question, answer: Answer, look: Look): string {
  const { sent, verdict, changes, remarks } = answer;
  const { bold, dim, red, green, yellow } = styles(look);
  const line = (text: string) => wrapped(text, look.width);
  const paragraph = (text: string) => [...line(text), ''];

  const cookies = page.credentials === 'include' ? ', with cookies' : '';
  const lines = paragraph(`A page at ${bold(page.origin)} calls ${bold(`${page.method} ${page.url}`)}${cookies}.`);
  if (!isOriginGiven) {
    lines.push(...paragraph(dim(`(No --origin given: this assumes a page at ${page.origin}.)`)));
  }

  for (const { number, exchange, leftOut } of stepsOf(verdict.exchanges)) {
    if (leftOut > 0) lines.push(`   … ${leftOut} more like these …`, '');
    lines.push(...line(printable(`${number}. ${sentenceOf(exchange)}`)), '', ...messages(exchange, dim));
  }

  const label = labelOf(verdict);
  const outcome = printable(outcomeOf(page, verdict));
  if (label === undefined) {
    lines.push(...paragraph(`${bold(yellow('NOT SENT'))}  ${outcome} Add --send to send it.`));
  } else {
    const colour = label === 'ALLOWED' ? green : verdict.allowed ? yellow : red;
    const notSent = verdict.allowed && !sent ? ` ${NOT_SENT}` : '';
    lines.push(...paragraph(`${bold(colour(label))}  ${outcome}${notSent}`));
  }
  const section = verdict.blocked?.section ?? verdict.tolerated?.section;
  if (section && label !== 'NO ANSWER') {
    lines.push(...paragraph(dim(`The standard: ${section} (${standardOf(section)}).`)));
  }
  if (verdict.response) {
    lines.push(
      ...line(`The page can read the status, the body, and these headers: ${list(verdict.readableHeaders ?? [])}.`),
      ...paragraph(`It cannot read these headers: ${list(hiddenHeaders(verdict))}.`),
    );
  }

  const advice = (title: string, changes: readonly Change[]) => {
    if (changes.length === 0) return;
    lines.push(bold(title), ...changes.flatMap(({ text }) => line(printable(`- ${text}`))), '');
    const template = templateLines(changes);
    if (!template) return;
    if (!answer.isTemplate) {
      lines.push(...paragraph(dim(NOT_RECOGNISED)));
      return;
    }
    lines.push(...paragraph(`${bold('In this server')}, which is made from this template, as its errors show:`));
    lines.push(...[...template.variables, ...template.code].map((text) => `  ${printable(text)}`), '');
    if (template.variables.length > 0) lines.push(...paragraph(dim(HOW_TO_SET)));
  };
  advice('What to change', changes);
  advice('Worth knowing', remarks);
  advice('If the page needs more', answer.exposure ? [answer.exposure] : []);
  return `${lines.join('\n')}\n`;
}

const NOT_SENT = 'It was not sent, because it could change data: add --send to send it.';

const NOT_RECOGNISED =
  '(Nothing in its answers shows that this server is made from this template. ' +
  'If it is, the README says which variable or method does this.)';

type Style = (text: string) => string;

function styles({ isColoured }: Look): Record<'bold' | 'dim' | 'red' | 'green' | 'yellow', Style> {
  const style = (code: number) => (text: string) => (isColoured ? `\x1b[${code}m${text}\x1b[0m` : text);
  return { bold: style(1), dim: style(2), red: style(31), green: style(32), yellow: style(33) };
}

/** What went over the wire, both ways. */
function messages({ request, response }: Exchange, dim: Style): string[] {
  const lines = [
    `   ${dim('>')} ${request.method} ${request.url}`,
    ...request.headers.filter(isTelling).map((header) => `   ${dim('>')} ${header.join(': ')}`),
    ...(request.credentials ? [`   ${dim('> (and the cookies that the browser has for this address)')}`] : []),
    '',
  ];
  if (!response) return lines;
  const detail = problemDetail(response);
  return [
    ...lines,
    `   ${dim('<')} ${response.status} ${STATUS_CODES[response.status] ?? ''}`.trimEnd(),
    ...response.headers.filter(isTelling).map((header) => `   ${dim('<')} ${printable(header.join(': '))}`),
    ...(detail ? [`   ${dim('<')} ${printable(`"${detail}"`)}`] : []),
    '',
  ];
}

/** Where a standard can be read. */
function standardOf(section: string): string {
  if (section.startsWith('Mixed Content')) return 'https://www.w3.org/TR/mixed-content/';
  if (section.startsWith('Local Network Access')) return 'https://wicg.github.io/local-network-access/';
  return 'https://fetch.spec.whatwg.org';
}

function list(names: readonly string[]): string {
  return printable(names.join(', ')) || 'none';
}

/** What a server says must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/[\0-\x1F\x7F-\x9F]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Words in lines of at most this width; what follows a number or a dash is indented. */
function wrapped(text: string, width: number): string[] {
  const indent = ' '.repeat(/^(?:\d+\. |- )?/.exec(text)?.[0].length ?? 0);
  const lines: string[] = [];
  let current = '';
  for (const word of text.split(' ')) {
    if (current && stripVTControlCharacters(`${current} ${word}`).length > width) {
      lines.push(current);
      current = indent + word;
    } else {
      current = current ? `${current} ${word}` : word;
    }
  }
  return [...lines, current];
}
