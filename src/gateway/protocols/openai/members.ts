/** The outermost members of a JSON object, found without building any of them. */
import type { ErrorCode } from '../../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import { JsonReader, type TokenKind } from '../../json/reader.ts';

export interface Member {
  readonly kind: TokenKind;
  /** Of the value. */
  readonly start: number;
  readonly end: number;
}

export interface Members {
  readonly bytes: Uint8Array;
  readonly byName: ReadonlyMap<string, Member>;
}

/**
 * Names that differ from known ones by case alone, or are written with anything else, are refused: some servers read
 * `Model` as `model`.
 */
const NAME = /^[a-z0-9_]{1,64}$/;

/** @throws GatewayError `code` for what is not one JSON object of members that are given once */
export function readMembers(bytes: Uint8Array, code: ErrorCode): Members {
  const reader = new JsonReader(bytes, { depthMax: GATEWAY_LIMITS.jsonNestedDepthMax, code });
  const byName = new Map<string, Member>();
  reader.enterObject();
  for (let name = reader.nextKey(); name !== null; name = reader.nextKey()) {
    if (!NAME.test(name)) reader.fail('a name that is not taken');
    if (byName.has(name)) reader.fail('a member that is given twice');
    if (byName.size === GATEWAY_LIMITS.membersMax) reader.fail('too many members');
    const kind = reader.peek();
    const start = reader.at;
    reader.skip();
    byName.set(name, { kind, start, end: reader.at });
  }
  reader.finish();
  return { bytes, byName };
}

/** A reader that stands at the value. */
export function openMember({ bytes }: Members, { start, end }: Member): JsonReader {
  const options = { depthMax: GATEWAY_LIMITS.jsonNestedDepthMax, code: 'GATEWAY_INPUT_MALFORMED' } as const;
  return new JsonReader(bytes.subarray(start, end), options);
}

/** The object anew: of its members those of `names`, with `replaced` values in their places, and behind them those that it has not. */
export function rebuild(
  { bytes, byName }: Members,
  names: ReadonlySet<string>,
  replaced: Readonly<Record<string, string | undefined>>,
  added: Readonly<Record<string, string>> = {},
): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, { start, end }] of byName) {
    if (!names.has(name)) continue;
    const value = replaced[name];
    parts.push(Buffer.from(`${parts.length === 0 ? '{' : ','}"${name}":${value ?? ''}`));
    if (value === undefined) parts.push(bytes.subarray(start, end));
  }
  for (const [name, value] of Object.entries(added)) {
    parts.push(Buffer.from(`${parts.length === 0 ? '{' : ','}"${name}":${value}`));
  }
  parts.push(Buffer.from(parts.length === 0 ? '{}' : '}'));
  return Buffer.concat(parts);
}
