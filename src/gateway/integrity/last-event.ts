/** The last event of a stream, which has the marks of what came before it. */
import { INTEGRITY_LIMITS } from '../../core/limits/integrity.ts';
import { LAST_EVENT } from './marks.ts';

const HEAD = Buffer.from(`event: ${LAST_EVENT}\ndata: `, 'latin1');
const LINE_FEED = 0x0a;

export interface LastEvent {
  /** Where it begins: the digest is of the bytes before. */
  readonly start: number;
  /** Its members but for the version; null when it is not of its form. */
  readonly members: ReadonlyMap<string, string> | null;
}

/** null for a stream that ends without. */
export function findLastEvent(body: Uint8Array): LastEvent | null {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const start = bytes.lastIndexOf(HEAD);
  if (start < 0 || (start > 0 && bytes[start - 1] !== LINE_FEED)) return null;
  const text = bytes.subarray(start + HEAD.length);
  const isOneLine = text.length <= INTEGRITY_LIMITS.markBytesMax && text.indexOf('\n\n') === text.length - 2;
  return { start, members: isOneLine ? findFields(text.toString('utf8', 0, text.length - 2)) : null };
}

function findFields(json: string): ReadonlyMap<string, string> | null {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { v, ...fields } = value as Record<string, unknown>;
  const entries = Object.entries(fields);
  const isText = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === 'string';
  return v === 1 && entries.every(isText) ? new Map(entries) : null;
}
