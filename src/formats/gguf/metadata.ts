/** Setting and removing metadata strings of a GGUF file; tensor infos and data move verbatim. */
import { FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { Replacement } from '../../source/splice.ts';
import { toMetadataTexts } from './describe.ts';
import { isStorableEntry, toStringEntry, u64le } from './encode.ts';
import { ALIGNMENT_KEY, type GgufHeader, METADATA_COUNT_AT, type MetadataMember, toAligned } from './header.ts';

/**
 * Replacements that set (or with null remove) string entries: the entries that change, their number, and the padding
 * in front of the data, whose offsets are relative and stay. Entries of other types are not touched: a loader would
 * stumble over a number that became a text.
 * @throws FormatError FORMAT_EDIT_UNSUPPORTED for an entry of another type, or one that the format has no room for
 */
export function toMetadataReplacements(
  source: ByteSource,
  header: GgufHeader,
  edits: ReadonlyMap<string, string | null>,
): readonly Replacement[] {
  const members = new Map(header.members.map((member) => [member.key, member]));
  const changes: Replacement[] = [];
  let count = header.members.length;
  for (const [key, value] of edits) {
    const member = members.get(key);
    assertEditable(key, value, member);
    if (member === undefined && value === null) continue;
    if (member !== undefined && value === toMetadataTexts(source, [member]).get(key)) continue;
    const { start, end } = member ?? { start: header.metadataEnd, end: header.metadataEnd };
    changes.push({ start, end, ops: value === null ? [] : [{ kind: 'bytes', bytes: toStringEntry(key, value) }] });
    count += (value === null ? 0 : 1) - (member === undefined ? 0 : 1);
  }
  if (changes.length === 0) return [];
  if (count > FORMAT_LIMITS.ggufMetadataMax) throw new FormatError('FORMAT_EDIT_UNSUPPORTED');
  const number: Replacement = {
    start: METADATA_COUNT_AT,
    end: METADATA_COUNT_AT + 8,
    ops: [{ kind: 'bytes', bytes: u64le(count) }],
  };
  return [number, ...changes, ...toPadding(header, changes)];
}

function assertEditable(key: string, value: string | null, member: MetadataMember | undefined): void {
  const isText = member === undefined || member.value.kind === 'string';
  if (isText && key !== ALIGNMENT_KEY && isStorableEntry(key, value ?? '')) return;
  throw new FormatError('FORMAT_EDIT_UNSUPPORTED', {
    message: 'The metadata entry is not a text, or longer than the format allows.',
    fields: { key },
  });
}

/** New padding, so that the data stays aligned; without tensors nothing needs it. */
function toPadding(header: GgufHeader, changes: readonly Replacement[]): Replacement[] {
  if (header.tensors.length === 0) return [];
  const grown = changes.reduce((sum, { start, end, ops }) => {
    const added = ops.reduce((total, op) => total + (op.kind === 'bytes' ? op.bytes.length : 0), 0);
    return sum + added - (end - start);
  }, 0);
  const infosEnd = header.infosEnd + grown;
  const bytes = new Uint8Array(toAligned(infosEnd, header.alignment) - infosEnd);
  return [{ start: header.infosEnd, end: header.dataStart, ops: [{ kind: 'bytes', bytes }] }];
}
