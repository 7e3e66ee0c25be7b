/** Changing `__metadata__` of a safetensors header while every other byte of the JSON stays. */
import { utf8 } from '../../core/bytes.ts';
import { FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { ByteSource } from '../../source/ports.ts';
import { type RewriteOp, toRewriteSize } from '../../source/rewrite.ts';
import type { Replacement } from '../../source/splice.ts';
import type { MetadataMember, SafetensorsHeader } from './header.ts';

const ALIGN_BYTES = 8;

/**
 * Replacements that set (or with null remove) metadata entries: the members that change, the length in front, and the
 * padding, so that data which started at a multiple of 8 bytes still does.
 * @throws FormatError FORMAT_EDIT_UNSUPPORTED when the header would outgrow the format's cap
 */
export function toMetadataReplacements(
  source: ByteSource,
  header: SafetensorsHeader,
  edits: ReadonlyMap<string, string | null>,
): readonly Replacement[] {
  const members = header.metadata?.members ?? [];
  const kept = members.filter(({ key }) => !edits.has(key));
  const current = new Map(members.map(({ key, value }) => [key, value]));
  const added = [...edits].filter((entry): entry is [string, string] => entry[1] !== null);
  const isSame = kept.length + added.length === members.length && added.every(([k, v]) => current.get(k) === v);
  if (isSame) return [];
  const change = toObjectReplacement(source, header, edits);
  const grown = toRewriteSize(change.ops) - (change.end - change.start);
  const unpadded = header.jsonEnd + grown;
  const padBytes =
    header.dataStart % ALIGN_BYTES === 0
      ? (ALIGN_BYTES - (unpadded % ALIGN_BYTES)) % ALIGN_BYTES
      : header.dataStart - header.jsonEnd;
  const headerBytes = unpadded + padBytes - 8;
  if (headerBytes > FORMAT_LIMITS.safetensorsHeaderBytesMax) {
    throw new FormatError('FORMAT_EDIT_UNSUPPORTED', { message: 'The header would outgrow the cap of the format.' });
  }
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(headerBytes), true);
  const padding = new Uint8Array(padBytes).fill(0x20);
  return [
    { start: 0, end: 8, ops: [{ kind: 'bytes', bytes: prefix }] },
    change,
    { start: header.jsonEnd, end: header.dataStart, ops: [{ kind: 'bytes', bytes: padding }] },
  ];
}

function toObjectReplacement(
  source: ByteSource,
  header: SafetensorsHeader,
  edits: ReadonlyMap<string, string | null>,
): Replacement {
  if (header.metadata === null) {
    const text = `"__metadata__":{${toMemberTexts(edits).join(',')}}${header.tensors.length > 0 ? ',' : ''}`;
    return { start: 9, end: 9, ops: [{ kind: 'bytes', bytes: utf8(text) }] };
  }
  const { start, end, members } = header.metadata;
  const present = new Set(members.map(({ key }) => key));
  const pieces: RewriteOp[] = [];
  const push = (op: RewriteOp): void => {
    if (pieces.length > 0) pieces.push({ kind: 'bytes', bytes: utf8(',') });
    pieces.push(op);
  };
  for (const member of members) {
    const op = toMemberOp(source, member, edits);
    if (op !== null) push(op);
  }
  for (const text of toMemberTexts(new Map([...edits].filter(([key]) => !present.has(key))))) {
    push({ kind: 'bytes', bytes: utf8(text) });
  }
  const ops: RewriteOp[] = [{ kind: 'bytes', bytes: utf8('{') }, ...pieces, { kind: 'bytes', bytes: utf8('}') }];
  return { start, end, ops };
}

function toMemberOp(
  source: ByteSource,
  member: MetadataMember,
  edits: ReadonlyMap<string, string | null>,
): RewriteOp | null {
  const value = edits.get(member.key);
  if (value === null) return null;
  if (value === undefined) return { kind: 'keep', source, start: member.start, end: member.end };
  return { kind: 'bytes', bytes: utf8(`${JSON.stringify(member.key)}:${JSON.stringify(value)}`) };
}

function toMemberTexts(edits: ReadonlyMap<string, string | null>): string[] {
  return [...edits]
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
}
