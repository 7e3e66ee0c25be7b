/** Made-up inputs for models without evaluation data: seeded, of the right type and shape, and inside what graphs expect. */
import { RuntimeError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { utf8 } from '../core/bytes.ts';
import { FIDELITY_LIMITS } from '../core/limits/fidelity.ts';
import { createPrfStream, type PrfStream } from '../core/prf.ts';
import { type DType, DTYPES, findElementCount } from '../model/dtype.ts';
import type { RuntimeTensor } from '../model/runtime.ts';
import type { Graph, ValueInfo } from '../model/types.ts';
import { findComparedConstants } from './constants.ts';
import { encodeValues } from './values.ts';

type Dim = number | string | null;

/** How one input is filled. */
export type ProbeRule =
  /** Recurrent state: what a caller feeds first. */
  | { readonly kind: 'zeros' }
  /** Masks: everything counts. */
  | { readonly kind: 'ones' }
  /** Floating-point: uniform in [0, 1) in even probes, nearly standard normal in odd ones. */
  | { readonly kind: 'noise' }
  /** Whole numbers in [0, bound): indices into a table, bytes, flags. */
  | { readonly kind: 'below'; readonly bound: number }
  /** A scalar that the graph compares with constants: those, in turn. */
  | { readonly kind: 'constants'; readonly values: readonly number[] };

export interface ProbeInput {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
  readonly rule: ProbeRule;
}

export interface ProbeSizes {
  /** For the batch axis, where it is symbolic. */
  readonly batch: number;
  /** For every other symbolic dimension. */
  readonly free: number;
}

const STATE_NAME = /^(?:[hc](?:_?[0n])?)$|state|hidden|cell|memory|cache|past/i;
const BATCH_NAME = /batch|^[nb]$/i;
const PROBE_DOMAIN = 1;

/**
 * A rule for every input of a model.
 * @param graph for constants and index bounds; null when unknown
 * @throws RuntimeError RUNTIME_DTYPE_UNSUPPORTED for an input that is no plain numeric tensor
 */
export function planProbes(
  graph: Graph | null,
  inputs: readonly ValueInfo[],
  outputs: readonly ValueInfo[],
): readonly ProbeInput[] {
  const constants = graph === null ? new Map<string, readonly number[]>() : findComparedConstants(graph);
  const bounds = graph === null ? new Map<string, number>() : findIndexBounds(graph);
  const isOnlyState = inputs.every((input) => isState(input, outputs));
  return inputs.map((input) => {
    const { name, dtype, shape } = input;
    if (dtype === null || shape === null) throw new RuntimeError('RUNTIME_DTYPE_UNSUPPORTED', { fields: { name } });
    if (!isOnlyState && isState(input, outputs)) return { name, dtype, shape, rule: { kind: 'zeros' } };
    return { name, dtype, shape, rule: toRule(name, dtype, shape, constants.get(name), bounds.get(name)) };
  });
}

function toRule(
  name: string,
  dtype: DType,
  shape: readonly Dim[],
  constants: readonly number[] | undefined,
  bound: number | undefined,
): ProbeRule {
  const isScalar = shape.every((dim) => dim === 1);
  if (isScalar && constants !== undefined) return { kind: 'constants', values: constants };
  if (/mask/i.test(name)) return { kind: 'ones' };
  if (DTYPES[dtype].kind === 'float') return { kind: 'noise' };
  if (bound !== undefined) return { kind: 'below', bound };
  if (isScalar) return { kind: 'ones' };
  return { kind: 'below', bound: dtype === 'u8' && shape.length >= 3 ? 256 : 2 };
}

/** A floating-point input of rank 2 or more, named as states are, or come back as an output of its name and shape. */
function isState(input: ValueInfo, outputs: readonly ValueInfo[]): boolean {
  if (input.dtype === null || input.shape === null || DTYPES[input.dtype].kind !== 'float') return false;
  if (input.shape.length < 2) return false;
  if (STATE_NAME.test(input.name)) return true;
  return outputs.some((output) => output.name.startsWith(input.name) && isSameShape(input.shape ?? [], output.shape));
}

function isSameShape(a: readonly Dim[], b: readonly Dim[] | null): boolean {
  if (a.length !== b?.length) return false;
  return a.every((dim, axis) => typeof dim !== 'number' || typeof b[axis] !== 'number' || dim === b[axis]);
}

/** Sizes of the tables that inputs index: Gather along an axis of a constant, directly or through a Cast. */
function findIndexBounds(graph: Graph): Map<string, number> {
  const aliases = new Map(graph.inputs.map((input) => [input.name, input.name]));
  const bounds = new Map<string, number>();
  for (const node of graph.nodes) {
    const [first = '', second = ''] = node.inputs;
    const [output = ''] = node.outputs;
    const cast = node.op === 'Cast' ? aliases.get(first) : undefined;
    if (cast !== undefined) aliases.set(output, cast);
    if (node.op !== 'Gather' || node.domain !== '') continue;
    const name = aliases.get(second);
    const shape = graph.tensors.get(first)?.shape;
    const axis = node.attributes.get('axis');
    if (name === undefined || shape === undefined) continue;
    const size = shape.at(axis?.kind === 'int' ? Number(axis.value) : 0) ?? 0;
    if (size > 0) bounds.set(name, Math.min(size, bounds.get(name) ?? size));
  }
  return bounds;
}

/** True when a plan has a dimension, not for the batch, whose size is not fixed. */
export function hasFreeDims(plan: readonly ProbeInput[]): boolean {
  const isBatch = toBatchTest(plan);
  return plan.some((input) => input.shape.some((dim, axis) => typeof dim !== 'number' && !isBatch(dim, axis, input)));
}

/** The batch: a dimension named so, the first one of data of rank 2 or more, and every one of the same name. */
function toBatchTest(plan: readonly ProbeInput[]): (dim: Dim, axis: number, input: ProbeInput) => boolean {
  const names = new Set<string>();
  for (const input of plan) {
    const [first] = input.shape;
    if (typeof first === 'string' && input.shape.length >= 2 && input.rule.kind !== 'zeros') names.add(first);
  }
  return (dim, axis, input) => {
    if (typeof dim === 'string') return BATCH_NAME.test(dim) || names.has(dim);
    return dim === null && axis === 0 && input.shape.length >= 2;
  };
}

export interface MakeProbeOptions {
  readonly sizes: ProbeSizes;
  /** Any text; equal texts give equal probes on every platform. */
  readonly seed: string;
  readonly index: number;
  /** Inputs that are fed otherwise. */
  readonly without?: string;
}

/**
 * The inputs of probe `index`.
 * @throws RuntimeError RUNTIME_RUN_FAILED when a shape asks for more than FIDELITY_LIMITS.sampleElementsMax values
 */
export function makeProbe(plan: readonly ProbeInput[], options: MakeProbeOptions): Map<string, RuntimeTensor> {
  const key = sha256(utf8(`modelward/probe/v1/${options.seed}`));
  const isBatch = toBatchTest(plan);
  const feeds = new Map<string, RuntimeTensor>();
  plan.forEach((input, position) => {
    if (input.name === options.without) return;
    const shape = input.shape.map((dim, axis) =>
      typeof dim === 'number' ? dim : isBatch(dim, axis, input) ? options.sizes.batch : options.sizes.free,
    );
    const count = findElementCount(shape);
    if (count === undefined || count > FIDELITY_LIMITS.sampleElementsMax) {
      const fields = { name: input.name, shape, limit: FIDELITY_LIMITS.sampleElementsMax };
      throw new RuntimeError('RUNTIME_RUN_FAILED', {
        message: 'An input of the model is too large to make up.',
        fields,
      });
    }
    const stream = createPrfStream(key, { domain: PROBE_DOMAIN, index: options.index * 4096 + (position % 4096) });
    const values = fill(input.rule, count, options.index, stream);
    feeds.set(input.name, { dtype: input.dtype, shape, data: encodeValues(input.dtype, values) });
  });
  return feeds;
}

function fill(rule: ProbeRule, count: number, index: number, stream: PrfStream): Float64Array {
  const values = new Float64Array(count);
  if (rule.kind === 'zeros') return values;
  if (rule.kind === 'ones') return values.fill(1);
  if (rule.kind === 'constants') return values.fill(rule.values[index % rule.values.length]);
  if (rule.kind === 'below') return values.map(() => stream.below(rule.bound));
  return index % 2 === 0 ? values.map(() => stream.u32() / 2 ** 32) : values.map(() => drawNormal(stream));
}

/**
 * Nearly standard normal: the sum of twelve uniforms less six (Irwin-Hall). Unlike logarithms and cosines, sums are
 * exact, so that every platform draws the same.
 */
function drawNormal(stream: PrfStream): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += stream.u32() / 2 ** 32;
  return sum;
}
