let shown = '';

/**
 * Shows on standard error what is being done: on a terminal one line that overwrites itself, elsewhere a line for each
 * new text.
 */
export function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text && text !== shown) process.stderr.write(`${text}\n`);
  shown = text;
}
