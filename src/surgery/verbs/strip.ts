/** Weights taken out of a model and put back: what is left is a valid model that makes zeros where they were. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import { type DType, findElementCount, findPackedByteLength } from '../../model/dtype.ts';
import { decodeInts } from '../../model/ints.ts';
import { EditedTensor, toMemoryTensor } from '../../model/tensors.ts';
import type { TensorRef } from '../../model/types.ts';
import { toConstant } from '../draft/constants.ts';
import type { Draft } from '../draft/draft.ts';
import { toInitializerRecord, toNodeRecord, toTensor } from '../draft/json.ts';
import { resolveValue, valueRefSchema } from '../draft/refs.ts';
import type { Node, Scope } from '../draft/scope.ts';
import { isWholeFloat, toDerivedTensor } from './derived-tensor.ts';
import { addInitializerRecord } from './interface.ts';
import { assertNoDefault } from './tensor.ts';
import { defineVerb } from './verb.ts';
import { addNode, isUsed } from './wiring.ts';

/** Nodes that stand for a weight are called this and the weight's name. */
const STRIPPED_PREFIX = 'stripped/';

/** Element types that ConstantOfShape makes, with the operator set from which on. */
const OPSET_BY_DTYPE: ReadonlyMap<DType, number> = new Map([
  ...(['f64', 'f32', 'f16', 'i64', 'i32', 'i16', 'i8', 'u64', 'u32', 'u16', 'u8', 'bool'] as const).map(
    (dtype) => [dtype, 9] as const,
  ),
  ['bf16', 20] as const,
]);

/**
 * Puts a ConstantOfShape that makes zeros in the place of an initializer: type and shape stay, the numbers are gone.
 * @throws SurgeryError SURGERY_TENSOR_MISSING | SURGERY_IN_USE for defaults of inputs | SURGERY_TENSOR_DATA for element
 *   types that the operator set cannot make
 */
export const stripTensor = defineVerb(z.strictObject({ at: valueRefSchema }), (draft, { at }): void => {
  const { scope, value } = resolveValue(draft, at);
  const { kind, tensor } = toConstant(scope, value);
  if (kind !== 'initializer') throw new SurgeryError('SURGERY_TENSOR_MISSING', { fields: { value, of: kind } });
  assertNoDefault(draft, scope, value);
  const { dtype, shape } = tensor;
  const opset = draft.opsetsOf(scope).find(({ domain }) => domain === '')?.version ?? 0;
  const opsetMin = OPSET_BY_DTYPE.get(dtype);
  if (opsetMin === undefined || opset < opsetMin) {
    throw new SurgeryError('SURGERY_TENSOR_DATA', { fields: { value, dtype, shape, opset } });
  }
  if (draft.irVersion < 4) scope.inputs.delete(value);
  scope.initializers.delete(value);
  const dims = draft.names.fresh(`${value}_shape`);
  const dimsTensor = toTensor(dims, { dtype: 'i64', shape: [shape.length], values: shape });
  addInitializerRecord(draft, scope, toInitializerRecord(dims, dimsTensor));
  const zero = { dtype, shape: [1], data: new Uint8Array(findPackedByteLength(dtype, 1)!) };
  const name = draft.names.fresh(`${STRIPPED_PREFIX}${value}`);
  const spec = {
    op: 'ConstantOfShape',
    name,
    inputs: [dims],
    outputs: [value],
    attributes: { value: { tensor: zero } },
  };
  addNode(draft, scope, toNodeRecord(spec), null);
});

/**
 * Puts a weight back where it was stripped: the initializer of that name of another model, given to the edit by the name
 * `model`, or without one a stand-in, small numbers that are the same each time (zeros for integers).
 * @throws SurgeryError SURGERY_TENSOR_MISSING when it was not stripped | SURGERY_MODEL_MISSING | SURGERY_VALUE_MISSING
 *   when the other model lacks it | SURGERY_TENSOR_DATA when it has another type or shape there
 */
export const restoreTensor = defineVerb(
  z.strictObject({ at: valueRefSchema, model: z.string().optional() }),
  (draft, { at, model }): void => {
    const { scope, value } = resolveValue(draft, at);
    const node = scope.findProducer(value);
    const fill = node?.attributes.get('value');
    if (node === undefined || !isStripped(node) || fill?.kind !== 'tensor') {
      throw new SurgeryError('SURGERY_TENSOR_MISSING', { fields: { value, scope: scope.path } });
    }
    const { dtype } = fill.tensor;
    const [dims] = node.inputs;
    const shape = readShape(value, toConstant(scope, dims).tensor);
    const tensor = model === undefined ? toStandIn(value, dtype, shape) : findOriginal(draft, model, { scope, value });
    if (tensor.dtype !== dtype || tensor.shape.join() !== shape.join()) {
      const fields = { value, dtype, shape, given: tensor.dtype, givenShape: tensor.shape };
      throw new SurgeryError('SURGERY_TENSOR_DATA', { fields });
    }
    scope.delete(node);
    addInitializerRecord(draft, scope, toInitializerRecord(value, tensor));
    if (isUsed(scope, dims)) return;
    scope.initializers.delete(dims);
    if (draft.irVersion < 4) scope.inputs.delete(dims);
  },
);

/** True for a node that {@link stripTensor} put in the place of a weight. */
export function isStripped({ op, domain, name }: Pick<Node, 'op' | 'domain' | 'name'>): boolean {
  return op === 'ConstantOfShape' && domain === '' && name.startsWith(STRIPPED_PREFIX);
}

/** Lengths of dimensions that a message of 2 GiB can hold have eight bytes each: more than this are not a weight's. */
const RANK_MAX = 64;

function readShape(value: string, tensor: TensorRef): readonly number[] {
  const { dtype, elementCount, byteLength } = tensor;
  if (dtype !== 'i64' || elementCount > RANK_MAX) {
    throw new SurgeryError('SURGERY_TENSOR_DATA', { fields: { value, dtype, count: elementCount } });
  }
  const bytes = new Uint8Array(byteLength);
  tensor.read(0, bytes);
  const dims = new Float64Array(elementCount);
  decodeInts(dtype, bytes, dims);
  return [...dims];
}

function findOriginal(draft: Draft, model: string, at: { readonly scope: Scope; readonly value: string }): TensorRef {
  const document = draft.others.get(model);
  if (document === undefined) throw new SurgeryError('SURGERY_MODEL_MISSING', { fields: { model } });
  // Subgraphs of the other model are not looked through: names there need not be unique.
  const found = document.graph.initializers.find(({ name }) => name === at.value)?.tensor ?? null;
  if (found === null) throw new SurgeryError('SURGERY_VALUE_MISSING', { fields: { value: at.value, model } });
  return found.storage === 'external' ? new EditedTensor(found, { storage: 'raw' }) : found;
}

/** Multiples of it spread over the unit interval without clusters. */
const GOLDEN = 0.618_033_988_749_895;
/** Small enough that sums over thousands of inputs stay finite in f16. */
const STAND_IN_MAX = 1 / 16;

function toStandIn(name: string, dtype: DType, shape: readonly number[]): TensorRef {
  const count = findElementCount(shape);
  const byteLength = count === undefined ? undefined : findPackedByteLength(dtype, count);
  if (count === undefined || byteLength === undefined) {
    throw new SurgeryError('SURGERY_TENSOR_DATA', { fields: { value: name, dtype, shape } });
  }
  const zeros: TensorRef = {
    ...toMemoryTensor({ name, dtype, shape: [0], bytes: new Uint8Array(0) }),
    shape,
    elementCount: count,
    byteLength,
    end: byteLength,
    read: (_byteOffset, into) => into.fill(0),
  };
  if (!isWholeFloat(dtype)) return zeros;
  const map = (values: Float64Array, first: number): void => {
    for (let i = 0; i < values.length; i++) values[i] = (2 * (((first + i + 1) * GOLDEN) % 1) - 1) * STAND_IN_MAX;
  };
  return toDerivedTensor({ base: { ...zeros, dtype }, dtype, map });
}
