import { HttpError } from './http-error.ts';

/** Authority, and path with query (RFC 9112, section 3.2.2). */
export const ABSOLUTE_FORM = /^https?:\/\/([^/?#]+)(.*)$/i;

/** Path and query of a request target that has no fault (RFC 9112, section 3.2.1). */
export function originForm(url: string): string {
  if (url[0] === '/' || url === '*') return url;
  const rest = ABSOLUTE_FORM.exec(url)?.[2] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

export function pathOf(target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 ? target : target.slice(0, mark);
}

export function queryOf(target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 ? '' : target.slice(mark + 1);
}

/**
 * One part of a path, percent-decoded.
 *
 * @throws HttpError 400 where it is not percent-encoded UTF-8
 */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpError(400, `The path is not percent-encoded UTF-8: ${segment}`);
  }
}

/**
 * All that is left of a path, percent-decoded part by part, so that it can be joined to a folder and stays below it.
 *
 * @throws HttpError 400 also where a part is empty, `.` or `..`, or holds `/`, `\` or NUL once it is decoded
 */
export function decodeRest(rest: string): string {
  const segments = rest.split('/').map(decodeSegment);
  const isUnsafe = segments.some((segment) => /^\.{0,2}$|[/\\\0]/.test(segment));
  if (isUnsafe) throw new HttpError(400, `The path has a part that is not a name: ${rest}`);
  return segments.join('/');
}
