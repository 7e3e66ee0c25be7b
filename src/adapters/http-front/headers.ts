/** Headers of answers: what the handler gave, without those that are the front's, and what the front adds to each. */
import type { HeaderList } from '../../gateway/ports.ts';

/** About the connection, or about the form in which the body is sent; Node writes the date. */
export const FRONT_OWN: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/** HTTP/1.1: names and values by turns. */
export function toFlatHeaders(list: HeaderList, isTls: boolean): string[] {
  const flat: string[] = [];
  let hasCaching = false;
  for (const [name, value] of list) {
    if (FRONT_OWN.has(name)) continue;
    if (name === 'cache-control') hasCaching = true;
    flat.push(name, value);
  }
  flat.push('x-content-type-options', 'nosniff');
  if (!hasCaching) flat.push('cache-control', 'no-store');
  if (isTls) flat.push('strict-transport-security', 'max-age=31536000');
  return flat;
}

/** HTTP/2: lists where a name comes more than once. */
export function toHeaderObject(flat: readonly string[]): Record<string, string | string[]> {
  const headers = Object.create(null) as Record<string, string | string[]>;
  for (let at = 0; at < flat.length; at += 2) {
    const [name, value] = [flat[at], flat[at + 1]];
    const before = headers[name] as string | string[] | undefined;
    headers[name] = before === undefined ? value : [...[before].flat(), value];
  }
  return headers;
}

/** Of a request in HTTP/2: names and values by turns become one value for each name, joined by ", "; pseudo-headers left out. */
export function joinHeaders(flat: readonly string[]): Record<string, string | undefined> {
  const headers = Object.create(null) as Record<string, string | undefined>;
  for (let at = 0; at < flat.length; at += 2) {
    const name = flat[at];
    if (name.charCodeAt(0) === 0x3a) continue;
    const before = headers[name];
    const glue = name === 'cookie' ? '; ' : ', ';
    headers[name] = before === undefined ? flat[at + 1] : `${before}${glue}${flat[at + 1]}`;
  }
  return headers;
}
