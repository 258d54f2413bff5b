import { HttpError } from './http-error.ts';

/** Captures the authority, and the path with its query (RFC 9112, section 3.2.2). */
export const ABSOLUTE_FORM = /^https?:\/\/([^/?#]+)(.*)$/i;

/**
 * Returns the path and query of a request target (RFC 9112, section 3.2.1). Returns `*` (section 3.2.4) as it is, and
 * `/` for a target that is not valid.
 */
export function originForm(url: string): string {
  if (url[0] === '/' || url === '*') return url;
  const rest = ABSOLUTE_FORM.exec(url)?.[2] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/**
 * Returns one segment of a path, percent-decoded.
 *
 * @throws HttpError 400 if it is not percent-encoded UTF-8
 */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpError(400, `The path is not percent-encoded UTF-8: ${segment}`);
  }
}

/**
 * Returns the rest of a path, percent-decoded segment by segment. A path joined from a directory
 * and the result stays below that directory.
 *
 * @throws HttpError 400 if a segment cannot be decoded, is empty, `.` or `..`, or decodes to `/`, `\` or NUL
 */
export function decodeRest(rest: string): string {
  const segments = rest.split('/').map(decodeSegment);
  const unsafe = segments.some((segment) => /^\.{0,2}$|[/\\\0]/.test(segment));
  if (unsafe) throw new HttpError(400, `The path has a segment that is not a file name: ${rest}`);
  return segments.join('/');
}
