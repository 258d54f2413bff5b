import { http } from './node/builtins.ts';

/** Header names and values in turn, as Node's writeHead() takes them. A list is never changed, only replaced. */
export type HeaderList = readonly string[];

/** Header fields that a response has once (RFC 9110, section 5.3): the last value that a handler sends wins. */
const SINGLE_VALUE = new RegExp(
  '^(?:access-control-.*|cache-control|connection|content-(?:disposition|length|location|range|type)|date|etag|expires' +
    '|last-modified|location|retry-after|vary)$',
);

/**
 * Returns a list with one more header.
 *
 * @throws TypeError for an invalid name or value; Error for a header that a handler cannot set
 */
export function withHeader(list: HeaderList, name: string, value: string): HeaderList {
  http.validateHeaderName(name);
  http.validateHeaderValue(name, value);
  const lower = name.toLowerCase();
  if (lower === 'transfer-encoding' || lower === 'trailer') {
    throw new Error(`${name} is set by the server: leave it out`);
  }
  if (lower === 'content-length' && !/^\d{1,15}$/.test(value)) {
    throw new Error(`Content-Length must be a whole number of bytes, not ${value}`);
  }
  const all = lower === 'vary' ? mergeVary(headerValue(list, lower), value) : value;
  return [...(SINGLE_VALUE.test(lower) ? withoutHeader(list, lower) : list), name, all];
}

/** @param name in lower case */
export function withoutHeader(list: HeaderList, name: string): HeaderList {
  return list.filter((_, at) => nameAt(list, at).toLowerCase() !== name);
}

/** Returns a list without the headers whose names match a pattern. */
export function withoutHeaders(list: HeaderList, names: RegExp): HeaderList {
  return list.filter((_, at) => !names.test(nameAt(list, at)));
}

/** Returns the name of the header to which an element of the list belongs. */
function nameAt(list: HeaderList, at: number): string {
  return list[at - (at % 2)]!;
}

/** Returns the names of a list, in lower case. */
export function headerNames(list: HeaderList): string[] {
  return list.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
}

/**
 * Returns the value of the first header with a name.
 *
 * @param name in lower case
 */
export function headerValue(list: HeaderList, name: string): string | undefined {
  for (let at = 0; at < list.length; at += 2) if (list[at]!.toLowerCase() === name) return list[at + 1];
  return undefined;
}

/** @param name in lower case */
export function headerValues(list: HeaderList, name: string): string[] {
  return list.filter((_, at) => at % 2 === 1 && nameAt(list, at).toLowerCase() === name);
}

/** Merges two lists (RFC 9110, section 12.5.5): no name is repeated, and `*` stays alone. */
export function mergeVary(names: string | undefined, more: string): string {
  if (!names) return more;
  const known = new Set(membersOf(names.toLowerCase()));
  const added = membersOf(more).filter((name) => !known.has(name.toLowerCase()));
  return known.has('*') || added.length === 0 ? names : [names, ...added].join(', ');
}

/** A regular expression for comma and white space would take quadratic time. */
function membersOf(list: string): string[] {
  return list.split(',').map((member) => member.trim());
}
