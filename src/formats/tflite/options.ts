/** Options of operators as attributes. */
import { utf8 } from '../../core/bytes.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { Attribute } from '../../model/types.ts';
import { readAbsoluteSpan } from './buffers.ts';
import type { TfliteContext } from './context.ts';
import { OPERATOR } from './fields.ts';
import { type FlatReader, SCALAR_BYTES, type ScalarKind, type Table } from './flat.ts';
import { OPTION_2_ROWS, OPTION_ROWS } from './option-rows.ts';

type ListKind = 'i32' | 'u32' | 'i64' | 'f32' | 'bool';
type FieldKind = ScalarKind | 'string' | 'bytes' | { readonly list: ListKind };

interface OptionField {
  readonly slot: number;
  readonly name: string;
  readonly kind: FieldKind;
  readonly otherwise: number;
}

/** Rows of one union by its number; 0 is "none". */
const UNIONS = {
  options: [[], ...OPTION_ROWS.map(toFields)],
  options2: [[], ...OPTION_2_ROWS.map(toFields)],
} as const satisfies Record<string, readonly (readonly OptionField[])[]>;

function toFields(row: string): OptionField[] {
  const [, ...texts] = row.split(' ');
  return texts.flatMap((text, slot) => {
    const match = /^(\w+):(\[)?(\w+)\]?(?:=(\d+))?$/.exec(text);
    if (match === null) return [];
    const [, name, list, kind, otherwise] = match as readonly (string | undefined)[];
    return [{ slot, name: name!, kind: toKind(kind!, list !== undefined), otherwise: Number(otherwise ?? 0) }];
  });
}

function toKind(kind: string, isList: boolean): FieldKind {
  if (isList) return kind === 'u8' ? 'bytes' : { list: kind as ListKind };
  return kind as ScalarKind;
}

/** Attributes whose value is the number of a subgraph. */
const SUBGRAPH_ATTRIBUTE = /^(?:subgraph|\w+_subgraph_index|branch_subgraph_indices|called_computations)$/;

/** Numbers of the subgraphs that an operator with these attributes runs. */
export function listCalls(attributes: ReadonlyMap<string, Attribute>): number[] {
  return [...attributes].flatMap(([name, attribute]) => {
    if (!SUBGRAPH_ATTRIBUTE.test(name)) return [];
    if (attribute.kind === 'int') return [Number(attribute.value)];
    return attribute.kind === 'ints' ? attribute.values.map(Number) : [];
  });
}

/**
 * The options of an operator by their names in the schema, and what a custom operator carries as `custom_options`.
 * @throws FormatError TFLITE_OPERATOR | TFLITE_BUFFER_BOUNDS | TFLITE_BUDGET
 */
export function readOptions(context: TfliteContext, operator: Table): Map<string, Attribute> {
  const { flat } = context;
  const attributes = new Map<string, Attribute>();
  const unions = [
    { rows: UNIONS.options, type: operator.int(OPERATOR.optionsType, 'u8'), table: operator.table(OPERATOR.options) },
    {
      rows: UNIONS.options2,
      type: operator.int(OPERATOR.options2Type, 'u8'),
      table: operator.table(OPERATOR.options2),
    },
  ];
  for (const { rows, type, table } of unions) {
    if (table !== null && type === 0)
      throw flat.fail('TFLITE_OPERATOR', operator.at, { problem: 'options of no kind' });
    // Options of a kind that is newer than the table stay as they are.
    for (const field of table === null ? [] : (rows[type] ?? [])) {
      flat.spend(160, operator.at);
      attributes.set(field.name, readField(flat, table!, field));
    }
  }
  const custom = findCustomOptions(context, operator);
  if (custom !== null) attributes.set('custom_options', custom);
  return attributes;
}

function readField(flat: FlatReader, table: Table, { slot, kind, otherwise }: OptionField): Attribute {
  if (kind === 'f32') return { kind: 'float', value: table.float(slot, otherwise) };
  if (kind === 'i64' || kind === 'u64') return { kind: 'int', value: table.long(slot, kind) };
  if (kind === 'string') return { kind: 'string', value: utf8(table.text(slot) ?? '') };
  if (kind === 'bytes') {
    const span = table.vector(slot, 'u8');
    return { kind: 'string', value: span === null ? new Uint8Array(0) : flat.bytes(span.start, span.end) };
  }
  if (typeof kind !== 'string') return readList(flat, table, slot, kind.list);
  return { kind: 'int', value: BigInt(table.int(slot, kind as 'i32', otherwise)) };
}

function readList(flat: FlatReader, table: Table, slot: number, kind: ListKind): Attribute {
  const span = table.vector(slot, kind);
  const count = span?.count ?? 0;
  flat.spend(32 + 40 * count, table.at);
  const at = (i: number): number => span!.start + i * SCALAR_BYTES[kind];
  const { pages } = flat;
  if (kind === 'f32') return { kind: 'floats', values: Array.from({ length: count }, (_, i) => pages.f32(at(i))) };
  const read = (i: number): bigint => {
    if (kind === 'i64') return pages.i64(at(i));
    return BigInt(kind === 'bool' ? pages.u8(at(i)) : pages[kind](at(i)));
  };
  return { kind: 'ints', values: Array.from({ length: count }, (_, i) => read(i)) };
}

/** What a custom operator carries, when it is short; compiled models put megabytes there. */
function findCustomOptions(context: TfliteContext, operator: Table): Attribute | null {
  const inside = operator.vector(OPERATOR.customOptions, 'u8');
  const beyond = readAbsoluteSpan(context, operator, OPERATOR.largeOptionsOffset, OPERATOR.largeOptionsSize);
  const span = inside === null || inside.count === 0 ? beyond : inside;
  if (span === null || span.end === span.start) return null;
  if (span.end - span.start > FORMAT_LIMITS.tfliteStringBytesMax) return { kind: 'other', type: 0 };
  return { kind: 'string', value: context.flat.bytes(span.start, span.end) };
}
