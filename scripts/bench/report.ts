import { availableParallelism, cpus } from 'node:os';
import { relative } from 'node:path';

/** When, where and how figures came about: a figure without these says nothing. */
export function circumstances(): string {
  const command = ['node', ...process.execArgv, relative('.', process.argv[1]!), ...process.argv.slice(2)].join(' ');
  return `${new Date().toISOString().slice(0, 10)}, ${cpus()[0]?.model.trim()}, ${availableParallelism()} cores, Node ${process.version}, \`${command}\``;
}

/** A Markdown table: the first column on the left, figures on the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(...[title, ...rows.map((row) => row[column] ?? '')].map(({ length }) => length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}
