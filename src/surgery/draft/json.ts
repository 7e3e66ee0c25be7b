/** Tensors, attributes, values, nodes and graphs as a plan writes them, and as records. */
import { z } from 'zod';
import { findBase64Bytes, toBase64, utf8 } from '../../core/bytes.ts';
import { SurgeryError } from '../../core/errors.ts';
import type { AttributeRecord, InitializerRecord, NodeRecord, ScopeRecord, ValueRecord } from '../../model/document.ts';
import { type DType, findElementCount, findPackedByteLength, isDType } from '../../model/dtype.ts';
import { encodeFloats, isFloatDType } from '../../model/floats.ts';
import { encodeInts, isIntDType } from '../../model/ints.ts';
import { toMemoryTensor } from '../../model/tensors.ts';
import type { TensorRef } from '../../model/types.ts';

const dtypeSchema = z.string().refine(isDType);
const shapeSchema = z.array(z.int().nonnegative());

/** Numbers that JSON has no word for are written as words. */
const floatSchema = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]);
/** Integers beyond 2^53 are written as digits. */
const intSchema = z.union([z.int(), z.string().regex(/^-?\d{1,20}$/)]);

/** A tensor by its numbers, or by its bytes (packed, little-endian, row-major) in base64. */
export const tensorSchema: z.ZodType<TensorJson> = z.strictObject({
  dtype: dtypeSchema,
  shape: shapeSchema,
  values: z.array(floatSchema).optional(),
  strings: z.array(z.string()).optional(),
  data: z.union([z.instanceof(Uint8Array), z.string()]).optional(),
});

/** An attribute by the kind of its content; `ref` stands for an attribute of the function around it. */
export const attributeSchema: z.ZodType<AttributeJson> = z.lazy(() =>
  z.union([
    z.strictObject({ int: intSchema }),
    z.strictObject({ ints: z.array(intSchema) }),
    z.strictObject({ float: floatSchema }),
    z.strictObject({ floats: z.array(floatSchema) }),
    z.strictObject({ string: z.string() }),
    z.strictObject({ strings: z.array(z.string()) }),
    z.strictObject({ tensor: tensorSchema }),
    z.strictObject({ graph: graphSchema }),
    z.strictObject({ ref: z.string(), type: z.int().min(1).max(14) }),
  ]),
);

const typeFields = {
  dtype: dtypeSchema.nullable().optional(),
  shape: z
    .array(z.union([z.int().nonnegative(), z.string(), z.null()]))
    .nullable()
    .optional(),
};
export const typeSchema: z.ZodType<Omit<ValueJson, 'name'>> = z.strictObject(typeFields);
export const valueSchema: z.ZodType<ValueJson> = z.strictObject({ name: z.string().min(1), ...typeFields });

/** A node with the names of all that it reads and makes. */
export const nodeSchema: z.ZodType<NodeJson> = z.lazy(() =>
  z.strictObject({
    op: z.string().min(1),
    domain: z.string().optional(),
    overload: z.string().optional(),
    name: z.string().optional(),
    inputs: z.array(z.string()),
    outputs: z.array(z.string()),
    attributes: z.record(z.string().min(1), attributeSchema).optional(),
  }),
);

const graphSchema: z.ZodType<GraphJson> = z.lazy(() =>
  z.strictObject({
    name: z.string(),
    inputs: z.array(valueSchema).optional(),
    outputs: z.array(valueSchema),
    nodes: z.array(nodeSchema),
    initializers: z.record(z.string().min(1), tensorSchema).optional(),
  }),
);

type FloatJson = number | 'NaN' | 'Infinity' | '-Infinity';
type IntJson = number | string;

export interface TensorJson {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values?: readonly FloatJson[] | undefined;
  readonly strings?: readonly string[] | undefined;
  readonly data?: Uint8Array | string | undefined;
}

export type AttributeJson =
  | { readonly int: IntJson }
  | { readonly ints: readonly IntJson[] }
  | { readonly float: FloatJson }
  | { readonly floats: readonly FloatJson[] }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly tensor: TensorJson }
  | { readonly graph: GraphJson }
  | { readonly ref: string; readonly type: number };

export interface ValueJson {
  readonly name: string;
  readonly dtype?: DType | null | undefined;
  /** A number, a symbolic name, or null when unknown; null for an unknown rank. */
  readonly shape?: readonly (number | string | null)[] | null | undefined;
}

export interface NodeJson {
  readonly op: string;
  readonly domain?: string | undefined;
  readonly overload?: string | undefined;
  readonly name?: string | undefined;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeJson>> | undefined;
}

export interface GraphJson {
  readonly name: string;
  readonly inputs?: readonly ValueJson[] | undefined;
  readonly outputs: readonly ValueJson[];
  readonly nodes: readonly NodeJson[];
  readonly initializers?: Readonly<Record<string, TensorJson>> | undefined;
}

/** @throws SurgeryError SURGERY_TENSOR_DATA when the data does not fit the type and shape */
export function toTensor(name: string, json: TensorJson): TensorRef {
  const { dtype, shape } = json;
  const bytes = toTensorBytes(name, json);
  const count = findElementCount(shape);
  const expected = count === undefined ? undefined : findPackedByteLength(dtype, count);
  if (expected === undefined || (dtype !== 'string' && expected !== bytes.length)) {
    throw toDataError(name, json, bytes.length);
  }
  return toMemoryTensor({ name, dtype, shape, bytes });
}

function toDataError(name: string, json: TensorJson, byteLength: number): SurgeryError {
  const { dtype, shape } = json;
  return new SurgeryError('SURGERY_TENSOR_DATA', { fields: { tensor: name, dtype, shape, byteLength } });
}

function toTensorBytes(name: string, json: TensorJson): Uint8Array {
  const { data, dtype, shape, strings, values } = json;
  if (dtype === 'string') {
    if (strings === undefined || strings.length !== findElementCount(shape)) throw toDataError(name, json, 0);
    return toStringBytes(strings.map(utf8));
  }
  if (data instanceof Uint8Array) return data;
  if (data !== undefined) {
    const bytes = findBase64Bytes(data);
    if (bytes === undefined) throw toDataError(name, json, 0);
    return bytes;
  }
  const byteLength = findPackedByteLength(dtype, values?.length ?? 0);
  if (values === undefined || byteLength === undefined || values.length !== findElementCount(shape)) {
    throw toDataError(name, json, 0);
  }
  const bytes = new Uint8Array(byteLength);
  try {
    if (isFloatDType(dtype)) encodeFloats(dtype, values.map(Number), bytes);
    else if (isIntDType(dtype)) encodeInts(dtype, values.map(Number), bytes);
    else throw toDataError(name, json, 0);
  } catch (cause) {
    if (cause instanceof TypeError) throw toDataError(name, json, byteLength);
    throw cause;
  }
  return bytes;
}

/** Logical bytes of strings: for each its length as little-endian u32, and its bytes. */
function toStringBytes(strings: readonly Uint8Array[]): Uint8Array {
  const parts = strings.flatMap((text) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return [length, text];
  });
  return new Uint8Array(Buffer.concat(parts));
}

export function toAttribute(name: string, json: AttributeJson): AttributeRecord {
  if ('int' in json) return { kind: 'int', value: BigInt(json.int) };
  if ('ints' in json) return { kind: 'ints', values: json.ints.map(BigInt) };
  if ('float' in json) return { kind: 'float', value: Number(json.float) };
  if ('floats' in json) return { kind: 'floats', values: json.floats.map(Number) };
  if ('string' in json) return { kind: 'string', value: utf8(json.string) };
  if ('strings' in json) return { kind: 'strings', values: json.strings.map(utf8) };
  if ('tensor' in json) return { kind: 'tensor', tensor: toTensor(name, json.tensor) };
  if ('graph' in json) return { kind: 'graph', graph: toScopeRecord(json.graph) };
  return { kind: 'other', type: json.type, reference: json.ref };
}

export function toValueRecord(json: ValueJson): ValueRecord {
  return { name: json.name, dtype: json.dtype ?? null, shape: json.shape ?? null, place: null };
}

export function toNodeRecord(json: NodeJson): NodeRecord {
  const { op, domain = '', overload = '', name = '', inputs, outputs } = json;
  const attributes = new Map(
    Object.entries(json.attributes ?? {}).map(([key, value]) => [key, toAttribute(key, value)]),
  );
  return { name, op, domain: domain === 'ai.onnx' ? '' : domain, overload, inputs, outputs, attributes, place: null };
}

export function toInitializerRecord(name: string, tensor: TensorRef): InitializerRecord {
  return { name, tensor, place: null };
}

function toScopeRecord(json: GraphJson): ScopeRecord {
  return {
    path: '',
    name: json.name,
    nodes: json.nodes.map(toNodeRecord),
    inputs: (json.inputs ?? []).map(toValueRecord),
    outputs: json.outputs.map(toValueRecord),
    values: [],
    initializers: Object.entries(json.initializers ?? {}).map(([name, tensor]) =>
      toInitializerRecord(name, toTensor(name, tensor)),
    ),
    annotations: [],
    place: null,
  };
}

/** `value` with bytes as base64, for JSON. */
export function toPlainJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return toBase64(value);
  if (Array.isArray(value)) return value.map(toPlainJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toPlainJson(inner)]));
}
