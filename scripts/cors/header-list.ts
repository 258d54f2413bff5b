/** How the Fetch standard reads headers; shared by the parts of the browser model. */

export type Header = readonly [name: string, value: string];

export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** "Get" from a header list: returns all values of a name, joined. */
export function getHeader(headers: readonly Header[], name: string): string | undefined {
  const values = headers.filter((header) => header[0].toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return values.length > 0 ? values.join(', ') : undefined;
}

/** "Extract header list values" for a list of tokens: empty without the header, undefined if it is invalid. */
export function parseTokens(value = ''): string[] | undefined {
  const tokens = value.split(',').map(trim).filter((token) => token !== '');
  return tokens.every((token) => TOKEN.test(token)) ? tokens : undefined;
}

/** "Get, decode, and split": commas inside quoted strings do not separate, and the quotes stay. */
export function splitValue(value: string): string[] {
  const parts = [''];
  for (const [piece] of value.matchAll(/"(?:[^"\\]|\\[^])*(?:"|\\?$)|,|[^",]+/g)) {
    if (piece === ',') parts.push('');
    else parts[parts.length - 1] += piece;
  }
  return parts.map((part) => part.replace(/^[\t ]+|[\t ]+$/g, ''));
}

/** Removes leading and trailing HTTP whitespace, which is less than `String.prototype.trim` removes. */
export function trim(value: string): string {
  return value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
}
