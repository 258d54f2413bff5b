import { availableParallelism, cpus } from 'node:os';
import { relative } from 'node:path';

/** Returns the date, machine and command line of a measurement. */
export function circumstances(): string {
  const command = ['node', ...process.execArgv, relative('.', process.argv[1]!), ...process.argv.slice(2)].join(' ');
  const date = new Date().toISOString().slice(0, 10);
  const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} cores`;
  return `${date}, ${machine}, Node ${process.version}, \`${command}\``;
}

/** Returns a Markdown table with figures aligned to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => {
    const cells = [title, ...rows.map((row) => row[column] ?? '')];
    return Math.max(...cells.map(({ length }) => length));
  });
  const padded = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  const line = (cells: readonly string[]) => `| ${cells.map(padded).join(' | ')} |`;
  const dashes = widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`));
  const rule = `|${dashes.join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}
