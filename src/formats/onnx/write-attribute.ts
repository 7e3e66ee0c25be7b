/** AttributeProto written for a document. */
import { FormatError } from '../../core/errors.ts';
import type { AttributeRecord, Place, ScopeRecord } from '../../model/document.ts';
import { isBytes } from './context.ts';
import type { OpList } from './op-list.ts';
import { toPlace, walkPlace } from './place.ts';
import { type FieldItem, type FieldPlan, toBytesPlan, toTextPlan, toWholePlan, weaveMessage } from './weave.ts';
import { toInt64Halves, toTag, toVarint } from './varint.ts';
import { WIRE } from './wire.ts';
import type { WriteContext } from './write-context.ts';
import { writeTensor } from './write-tensor.ts';

type Kind = Exclude<AttributeRecord['kind'], 'other'>;

/** Number of the content field, and AttributeProto.AttributeType, by kind. */
const KINDS: Readonly<Record<Kind, { readonly number: number; readonly type: number }>> = {
  float: { number: 2, type: 1 },
  int: { number: 3, type: 2 },
  string: { number: 4, type: 3 },
  tensor: { number: 5, type: 4 },
  graph: { number: 6, type: 5 },
  floats: { number: 7, type: 6 },
  ints: { number: 8, type: 7 },
  strings: { number: 9, type: 8 },
  graphs: { number: 11, type: 10 },
};

/** Writes a subgraph; passed in, since graphs hold attributes that hold graphs. */
export type WriteScope = (context: WriteContext, scope: ScopeRecord, out: OpList) => void;

/** The attributes of a node or the defaults of a function, of which some may be in a message already. */
export function toAttributesPlan(
  context: WriteContext,
  options: {
    readonly number: number;
    /** Where the attributes were read, and what they were then. */
    readonly place: Place | null;
    readonly before: ReadonlyMap<string, AttributeRecord>;
    readonly after: ReadonlyMap<string, AttributeRecord>;
    readonly writeScope: WriteScope;
  },
): FieldPlan {
  const { number, before, after, writeScope } = options;
  const places =
    options.place === null ? new Map<string, Place>() : listAttributePlaces(context, options.place, number);
  const items = Array.from(after, ([name, attribute]): FieldItem => {
    const place = places.get(name) ?? null;
    const write = (out: OpList): void => {
      writeAttribute({ context, name, attribute, before: before.get(name), place, writeScope }, out);
    };
    return { place, isSame: attribute === before.get(name), write };
  });
  return { number, items };
}

function listAttributePlaces(context: WriteContext, of: Place, number: number): Map<string, Place> {
  const reader = context.findReader(of.source);
  const found: Place[] = [];
  const fields = walkPlace(reader, of);
  while (fields.next()) if (isBytes(fields, number)) found.push(toPlace(of.source, fields));
  const places = new Map<string, Place>();
  for (const place of found) {
    const inner = walkPlace(reader, place);
    while (inner.next()) if (isBytes(inner, 1)) places.set(reader.text(inner.start, inner.end), place);
  }
  return places;
}

interface AttributeWrite {
  readonly context: WriteContext;
  readonly name: string;
  readonly attribute: AttributeRecord;
  readonly before: AttributeRecord | undefined;
  readonly place: Place | null;
  readonly writeScope: WriteScope;
}

function writeAttribute(options: AttributeWrite, out: OpList): void {
  const { context, name, attribute, before, place } = options;
  const { findReader } = context;
  // Of an attribute that keeps its kind, what is not content stays: the doc string, and what a later version adds.
  if (place !== null && attribute.kind !== 'other' && attribute.kind === before?.kind) {
    weaveMessage(findReader, place, [toContentPlan(options, attribute)], out);
    return;
  }
  if (attribute.kind === 'other') {
    if (attribute.reference === undefined) {
      throw new FormatError('FORMAT_GRAPH_UNSUPPORTED', { fields: { attribute: name, type: attribute.type } });
    }
    const plans = [toTextPlan(1, [name]), toTypePlan(attribute.type), toTextPlan(21, [attribute.reference])];
    weaveMessage(findReader, null, plans, out);
    return;
  }
  const content = toContentPlan(options, attribute);
  weaveMessage(findReader, null, [toTextPlan(1, [name]), content, toTypePlan(KINDS[attribute.kind].type)], out);
}

function toTypePlan(type: number): FieldPlan {
  return toWholePlan(20, toTag(20, WIRE.varint), toVarint(type, 0));
}

function toContentPlan(options: AttributeWrite, attribute: Exclude<AttributeRecord, { kind: 'other' }>): FieldPlan {
  const { context, writeScope } = options;
  const { number } = KINDS[attribute.kind];
  switch (attribute.kind) {
    case 'float':
      return toWholePlan(number, toFloatField(number, attribute.value));
    case 'floats':
      return toWholePlan(number, ...attribute.values.map((value) => toFloatField(number, value)));
    case 'int':
      return toWholePlan(number, ...toIntField(number, attribute.value));
    case 'ints':
      return toWholePlan(number, ...attribute.values.flatMap((value) => toIntField(number, value)));
    case 'string':
      return toBytesPlan(number, [attribute.value]);
    case 'strings':
      return toBytesPlan(number, attribute.values);
    case 'tensor': {
      const write = (out: OpList): void => {
        writeTensor(context, null, attribute.tensor, out);
      };
      return { number, items: [{ place: null, isSame: false, write }] };
    }
    case 'graph':
    case 'graphs': {
      const graphs = attribute.kind === 'graph' ? [attribute.graph] : attribute.graphs;
      const items = graphs.map((graph) => ({
        place: graph.place,
        isSame: graph.place?.record === graph,
        write: (out: OpList) => {
          writeScope(context, graph, out);
        },
      }));
      return { number, items };
    }
  }
}

function toFloatField(number: number, value: number): Uint8Array {
  const tag = toTag(number, WIRE.fixed32);
  const out = new Uint8Array(tag.length + 4);
  out.set(tag);
  new DataView(out.buffer).setFloat32(tag.length, value, true);
  return out;
}

function toIntField(number: number, value: bigint): Uint8Array[] {
  const { low, high } = toInt64Halves(value);
  return [toTag(number, WIRE.varint), toVarint(low, high)];
}
