let shown = '';

/** Shows the progress on standard error, on a terminal in one line, elsewhere in a line for each text. */
export function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text && text !== shown) process.stderr.write(`${text}\n`);
  shown = text;
}
