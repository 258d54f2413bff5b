/** The text that `cors:explain` prints. */

import { STATUS_CODES } from 'node:http';
import { stripVTControlCharacters } from 'node:util';
import { hiddenHeaders } from './advice.ts';
import type { Exchange, PageRequest, Verdict } from './browser-model.ts';
import type { Change } from './change.ts';
import { ITS_COOKIES, isRelevantHeader, labelOf, outcomeOf, sentenceOf, stepsOf } from './sentences.ts';
import { HOW_TO_SET, problemDetail, templateLines } from './template.ts';

/** The page's request, as the command line describes it. */
export interface Call {
  page: PageRequest & { method: string; headers: [name: string, value: string][] };
  isOriginGiven: boolean;
  /** Whether the request itself may be sent, not only the preflight. */
  send: boolean;
  json: boolean;
}

export interface Outcome {
  /** null if only sending the request would show it. */
  allowed: boolean | null;
  /** Whether the request itself was sent, not only the preflight. */
  sent: boolean;
  verdict: Verdict;
  changes: Change[];
  remarks: Change[];
  exposure: Change | undefined;
  isTemplate: boolean;
}

/** How the text is formatted. */
export interface Format {
  isColoured: boolean;
  /** Characters in a line. */
  width: number;
}

/** Returns the exchanges, the verdict, and what to change. */
export function explanationOf({ page, isOriginGiven }: Call, outcome: Outcome, format: Format): string {
  const { sent, verdict, changes, remarks } = outcome;
  const { bold, dim, red, green, yellow } = styles(format);
  const line = (text: string) => wrapped(text, format.width);
  const paragraph = (text: string) => [...line(text), ''];

  const cookies = page.credentials === 'include' ? ', with cookies' : '';
  const where = page.origin === 'null' ? 'with the origin' : 'at';
  const call = bold(`${page.method} ${page.url}`);
  const lines = paragraph(`A page ${where} ${bold(page.origin)} calls ${call}${cookies}.`);
  if (!isOriginGiven) {
    lines.push(...paragraph(dim(`(No --origin given: this assumes a page at ${page.origin}.)`)));
  }

  for (const { number, exchange, omitted } of stepsOf(verdict.exchanges)) {
    if (omitted > 0) lines.push(`   … ${omitted} more like these …`, '');
    lines.push(...line(printable(`${number}. ${sentenceOf(exchange)}`)), '', ...messages(exchange, dim));
  }

  const label = labelOf(verdict);
  const sentences = printable(outcomeOf(page, verdict));
  if (label === undefined) {
    lines.push(...paragraph(`${bold(yellow('NOT SENT'))}  ${sentences} Add --send to send it.`));
  } else {
    const colour = label === 'ALLOWED' ? green : verdict.allowed ? yellow : red;
    const notSent = verdict.allowed && !sent ? ` ${NOT_SENT}` : '';
    lines.push(...paragraph(`${bold(colour(label))}  ${sentences}${notSent}`));
  }
  const section = verdict.blocked?.section ?? verdict.tolerated?.section;
  if (section && label !== 'NO RESPONSE') {
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
    if (!outcome.isTemplate) {
      lines.push(...paragraph(dim(NOT_RECOGNISED)));
      return;
    }
    lines.push(...paragraph(`${bold('In this server')}, which is built from this template, as its errors show:`));
    lines.push(...[...template.variables, ...template.code].map((text) => `  ${printable(text)}`), '');
    if (template.variables.length > 0) lines.push(...paragraph(dim(HOW_TO_SET)));
  };
  advice('What to change', changes);
  advice('Worth knowing', remarks);
  advice('If the page needs more', outcome.exposure ? [outcome.exposure] : []);
  return `${lines.join('\n')}\n`;
}

const NOT_SENT = 'It was not sent, because it could change data: add --send to send it.';

const NOT_RECOGNISED =
  '(The responses do not show that this server is built from this template. ' +
  'If it is, the README says which variable or method does this.)';

type Style = (text: string) => string;

function styles({ isColoured }: Format): Record<'bold' | 'dim' | 'red' | 'green' | 'yellow', Style> {
  const style = (code: number) => (text: string) => (isColoured ? `\x1b[${code}m${text}\x1b[0m` : text);
  return { bold: style(1), dim: style(2), red: style(31), green: style(32), yellow: style(33) };
}

/** Returns the lines of one request and its response. */
function messages({ request, response }: Exchange, dim: Style): string[] {
  const lines = [
    `   ${dim('>')} ${request.method} ${request.url}`,
    ...request.headers.filter(isRelevantHeader).map((header) => `   ${dim('>')} ${header.join(': ')}`),
    ...(request.credentials ? [`   ${dim(`> ${ITS_COOKIES}`)}`] : []),
    '',
  ];
  if (!response) return lines;
  const detail = problemDetail(response);
  return [
    ...lines,
    `   ${dim('<')} ${response.status} ${STATUS_CODES[response.status] ?? ''}`.trimEnd(),
    ...response.headers.filter(isRelevantHeader).map((header) => `   ${dim('<')} ${printable(header.join(': '))}`),
    ...(detail ? [`   ${dim('<')} ${printable(`"${detail}"`)}`] : []),
    '',
  ];
}

/** Returns the address of a standard. */
function standardOf(section: string): string {
  if (section.startsWith('Mixed Content')) return 'https://www.w3.org/TR/mixed-content/';
  if (section.startsWith('Local Network Access')) return 'https://wicg.github.io/local-network-access/';
  return 'https://fetch.spec.whatwg.org';
}

function list(names: readonly string[]): string {
  return printable(names.join(', ')) || 'none';
}

/** Escapes control characters, because server output must not control the terminal. */
function printable(text: string): string {
  return text.replace(/[\0-\x1F\x7F-\x9F]/g, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Wraps text into lines of at most this width, and indents what follows a number or a dash. */
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
