/** What of an error may be told: codes, kinds and places of the program. Its message may hold anything, and is never told. */
import { fileURLToPath } from 'node:url';
import { ModelwardError } from '../../core/errors.ts';
import { JOURNAL_LIMITS } from '../../core/limits/metrics.ts';
import { checkFields, isFrame, type JournalFields } from './fields.ts';

/** Errors in errors; a circle of causes ends here, too. */
const DEPTH_MAX = 8;

/** Fields of a line that tells of `error`. */
export function toFaultFields(error: unknown): JournalFields {
  const causes = listCauses(error);
  const own = error instanceof ModelwardError ? checkFields(error.fields, false).shown : {};
  const code = toCode(error) ?? 'UNKNOWN';
  const isOurs = error instanceof ModelwardError;
  return {
    ...own,
    code,
    ...(causes.length > 0 && { causes }),
    // A coded error says by its code what happened; others are found by their place.
    ...(!isOurs && error instanceof Error && { kind: error.constructor.name, frames: toFrames(error) }),
  };
}

function listCauses(error: unknown): string[] {
  const causes: string[] = [];
  let cause = error;
  for (let depth = 0; depth < DEPTH_MAX; depth += 1) {
    cause = cause instanceof Error ? cause.cause : undefined;
    const code = toCode(cause);
    if (code !== undefined) causes.push(code);
  }
  return causes;
}

/** Codes of ours, and those of the system and of Node: `ECONNREFUSED`, `ERR_…`. */
function toCode(error: unknown): string | undefined {
  const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : undefined;
}

/** Where this program lies, with its last slash: the folder of what was built, or of the sources. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Files of this program in a stack, from its root on: where it is installed says something of the machine. The message, which
 * stands at the beginning of a stack and may hold lines that look like places, is passed over.
 */
function toFrames({ stack = '', message }: Error): string[] {
  const messageAt = stack.indexOf(message);
  if (messageAt < 0) return [];
  const frames: string[] = [];
  for (const line of stack.slice(messageAt + message.length).split('\n')) {
    const rootAt = line.indexOf(ROOT);
    const place = rootAt < 0 ? '' : line.slice(rootAt + ROOT.length).replace(/\)$/, '');
    if (isFrame(place)) frames.push(place);
    if (frames.length === JOURNAL_LIMITS.framesMax) break;
  }
  return frames;
}
