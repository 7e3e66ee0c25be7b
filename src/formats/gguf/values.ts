/** Metadata values of GGUF: thirteen types, read and bounded without keeping what is long. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { Cursor } from './cursor.ts';

/** Value types by number, with the bytes of those that have a fixed size. */
const VALUE_TYPES = [
  { name: 'u8', bytes: 1 },
  { name: 'i8', bytes: 1 },
  { name: 'u16', bytes: 2 },
  { name: 'i16', bytes: 2 },
  { name: 'u32', bytes: 4 },
  { name: 'i32', bytes: 4 },
  { name: 'f32', bytes: 4 },
  { name: 'bool', bytes: 1 },
  { name: 'string', bytes: null },
  { name: 'array', bytes: null },
  { name: 'u64', bytes: 8 },
  { name: 'i64', bytes: 8 },
  { name: 'f64', bytes: 8 },
] as const satisfies readonly { readonly name: string; readonly bytes: number | null }[];

export type ValueTypeName = (typeof VALUE_TYPES)[number]['name'];
export type NumberTypeName = Exclude<ValueTypeName, 'bool' | 'string' | 'array'>;
/** Number of the string type in a file. */
export const STRING_TYPE = 8;

/** Spans are absolute: the text of a string without its length, the elements of an array without type and count. */
export type MetadataValue =
  | { readonly kind: 'number'; readonly type: NumberTypeName; readonly value: number | bigint }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'string'; readonly start: number; readonly end: number }
  | {
      readonly kind: 'array';
      readonly type: ValueTypeName;
      readonly count: number;
      readonly start: number;
      readonly end: number;
    };

/** How many strings and nested arrays of all metadata may still be stepped over. */
export interface StepBudget {
  left: number;
}

/** @throws FormatError GGUF_VALUE_TYPE | GGUF_TRUNCATED */
function readType(cursor: Cursor): ValueTypeName {
  const start = cursor.at;
  const type = cursor.u32();
  const row = VALUE_TYPES.at(type < VALUE_TYPES.length ? type : VALUE_TYPES.length);
  if (row === undefined) throw cursor.fail('GGUF_VALUE_TYPE', { type }, start);
  return row.name;
}

/**
 * Reads a type and its value; strings are checked and arrays are walked, and neither is kept.
 * @throws FormatError GGUF_VALUE_TYPE | GGUF_VALUE | GGUF_STRING | GGUF_ARRAY | GGUF_TRUNCATED
 */
export function readTypedValue(cursor: Cursor, budget: StepBudget): MetadataValue {
  const type = readType(cursor);
  switch (type) {
    case 'string': {
      const start = cursor.at + 8;
      cursor.string(FORMAT_LIMITS.ggufStringBytesMax, 'GGUF_STRING');
      return { kind: 'string', start, end: cursor.at };
    }
    case 'array': {
      const { type: inner, count, start } = walkArray(cursor, budget, 1);
      return { kind: 'array', type: inner, count, start, end: cursor.at };
    }
    case 'bool': {
      const byte = cursor.u8();
      if (byte > 1) throw cursor.fail('GGUF_VALUE', { value: byte }, cursor.at - 1);
      return { kind: 'bool', value: byte === 1 };
    }
    default:
      return { kind: 'number', type, value: readNumber(cursor, type) };
  }
}

/** A number of the given type; 64-bit integers are exact. */
export function readNumber(cursor: Cursor, type: NumberTypeName): number | bigint {
  switch (type) {
    case 'u8':
      return cursor.u8();
    case 'i8':
      return cursor.view(1).getInt8(0);
    case 'u16':
      return cursor.view(2).getUint16(0, true);
    case 'i16':
      return cursor.view(2).getInt16(0, true);
    case 'u32':
      return cursor.u32();
    case 'i32':
      return cursor.view(4).getInt32(0, true);
    case 'f32':
      return cursor.view(4).getFloat32(0, true);
    case 'u64':
      return cursor.view(8).getBigUint64(0, true);
    case 'i64':
      return cursor.view(8).getBigInt64(0, true);
    case 'f64':
      return cursor.view(8).getFloat64(0, true);
  }
}

/** Steps over an array from its type on; elements of a fixed size are not read. */
function walkArray(
  cursor: Cursor,
  budget: StepBudget,
  depth: number,
): { readonly type: ValueTypeName; readonly count: number; readonly start: number } {
  const at = cursor.at;
  if (depth > FORMAT_LIMITS.ggufArrayDepthMax) throw cursor.fail('GGUF_ARRAY', { problem: 'nested too deep' }, at);
  const type = readType(cursor);
  const count = cursor.u64();
  const start = cursor.at;
  const bytes = VALUE_TYPES.find(({ name }) => name === type)!.bytes;
  if (bytes !== null) {
    cursor.skip(count * bytes);
    return { type, count, start };
  }
  // Every string takes 8 bytes or more, and every array 12: more cannot be there.
  cursor.require(count * (type === 'string' ? 8 : 12));
  budget.left -= count;
  if (budget.left < 0) throw cursor.fail('GGUF_ARRAY', { problem: 'too many elements', count }, at);
  for (let i = 0; i < count; i++) {
    if (type === 'array') walkArray(cursor, budget, depth + 1);
    else cursor.skip(cursor.u64());
  }
  return { type, count, start };
}
