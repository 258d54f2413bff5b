/** Reads headers as the Fetch standard does. The parts of the browser model share these functions. */

export type Header = readonly [name: string, value: string];

export const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Implements "get" from a header list, which returns all values of a name, joined. */
export function getHeader(headers: readonly Header[], name: string): string | undefined {
  const values = headers.filter((header) => header[0].toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return values.length > 0 ? values.join(', ') : undefined;
}

/** Extracts a list of tokens. Returns an empty list without the header, and undefined if it is invalid. */
export function parseTokens(value = ''): string[] | undefined {
  const tokens = value.split(',').map(trim).filter((token) => token !== '');
  return tokens.every((token) => TOKEN.test(token)) ? tokens : undefined;
}

/** Implements "get, decode, and split". Commas inside quoted strings do not separate, and the quotes stay. */
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
