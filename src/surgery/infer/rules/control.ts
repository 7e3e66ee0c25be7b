/** Control flow: what holds after either branch, and after any number of turns. */
import type { ScopeRecord } from '../../../model/document.ts';
import type { Call, Rule } from '../call.ts';
import { type Dim, type InferredType, isSameType, toCommonType, toTensorType, toValueless, UNKNOWN } from '../types.ts';

const branch: Rule = (call) => {
  const [then, otherwise] = [call.graph('then_branch'), call.graph('else_branch')];
  if (then === null || otherwise === null) return [];
  const [a, b] = [call.inferGraph(then, []), call.inferGraph(otherwise, [])];
  const chosen = call.tensor(0).value?.[0];
  if (typeof chosen === 'number') return chosen === 0 ? b : a;
  if (a.length !== b.length) call.conflict('subgraph', `${a.length} and ${b.length} outputs`);
  return a.map((type, i) => (i < b.length ? toCommonType(type, b[i]) : type));
};

/** How often a body is looked at before the shapes that still change are given up. */
const TURNS_MAX = 3;

/**
 * Runs a body with values that are carried from turn to turn until their types no longer change.
 * @returns types of all outputs of the body
 */
function settle(
  call: Call,
  body: ScopeRecord,
  carried: readonly InferredType[],
  toInputs: (carried: readonly InferredType[]) => readonly InferredType[],
  first: number,
): readonly InferredType[] {
  let state = carried.map(toValueless);
  for (let turn = 0; ; turn++) {
    const outputs = call.inferGraph(body, toInputs(state)).map(toValueless);
    const next = state.map((type, i) => toCommonType(type, outputs.at(first + i) ?? UNKNOWN));
    if (next.every((type, i) => isSameType(type, state[i]))) return outputs;
    state = turn < TURNS_MAX - 1 ? next : next.map(toShapeless);
    // With nothing said of shapes, one more look is the last.
    if (turn >= TURNS_MAX) return call.inferGraph(body, toInputs(state.map(() => UNKNOWN))).map(toValueless);
  }
}

function toShapeless(type: InferredType): InferredType {
  return type.kind === 'tensor' ? toTensorType(type.dtype, null) : type;
}

const loop: Rule = (call) => {
  const body = call.graph('body');
  if (body === null) return [];
  const count = Math.max(0, call.inputCount - 2);
  const initial = Array.from({ length: count }, (_, i) => call.type(i + 2));
  const [turn, condition] = [toTensorType('i64', []), toTensorType('bool', [])];
  const outputs = settle(call, body, initial, (state) => [turn, condition, ...state], 1);
  const final = initial.map((type, i) => toCommonType(toValueless(type), outputs.at(i + 1) ?? UNKNOWN));
  const collected = outputs.slice(count + 1).map((type) => toCollected(type, null, 0));
  return [...final, ...collected];
};

/** One part of every turn, put one behind the other along a new axis. */
function toCollected(type: InferredType, turns: Dim, axis: number): InferredType {
  if (type.kind !== 'tensor' || type.shape === null) return toShapeless(type);
  const at = axis < 0 ? axis + type.shape.length + 1 : axis;
  return toTensorType(type.dtype, [...type.shape.slice(0, at), turns, ...type.shape.slice(at)]);
}

/** From opset 9 on; before, Scan had a batch axis and a length. */
const scan: Rule = (call) => {
  const body = call.graph('body');
  const count = call.int('num_scan_inputs', null);
  if (body === null || count === null) return [];
  const skipped = call.version < 9 ? 1 : 0;
  const carriedCount = call.inputCount - skipped - count;
  if (carriedCount < 0) return [];
  const axes = call.ints('scan_input_axes');
  const scanned = Array.from({ length: count }, (_, i) => {
    const type = call.tensor(skipped + carriedCount + i);
    return toPart(type.shape, type.dtype, axes?.[i] ?? 0, skipped);
  });
  const initial = Array.from({ length: carriedCount }, (_, i) => toUnbatched(call.type(skipped + i), skipped));
  const outputs = settle(call, body, initial, (state) => [...state, ...scanned.map(({ part }) => part)], 0);
  const turns = scanned.find(({ turns: known }) => known !== null)?.turns ?? null;
  const outputAxes = call.ints('scan_output_axes');
  const batch = skipped === 1 ? [call.dim(1, 0)] : [];
  const final = initial.map((type, i) => toBatched(toCommonType(type, outputs.at(i) ?? UNKNOWN), batch));
  const collected = outputs
    .slice(carriedCount)
    .map((type, i) => toBatched(toCollected(type, turns, outputAxes?.[i] ?? 0), batch));
  return [...final, ...collected];
};

interface Part {
  readonly part: InferredType;
  readonly turns: Dim;
}

function toPart(
  shape: readonly Dim[] | null,
  dtype: Parameters<typeof toTensorType>[0],
  axis: number,
  skipped: number,
): Part {
  if (shape === null) return { part: toTensorType(dtype, null), turns: null };
  const at = axis < 0 ? axis + shape.length : axis + skipped;
  return {
    part: toTensorType(
      dtype,
      shape.filter((_, i) => i !== at && i >= skipped),
    ),
    turns: shape.at(at) ?? null,
  };
}

function toUnbatched(type: InferredType, skipped: number): InferredType {
  if (skipped === 0 || type.kind !== 'tensor') return toValueless(type);
  return toTensorType(type.dtype, type.shape?.slice(skipped) ?? null);
}

function toBatched(type: InferredType, batch: readonly Dim[]): InferredType {
  if (type.kind !== 'tensor' || type.shape === null) return type;
  return toTensorType(type.dtype, [...batch, ...type.shape]);
}

export const CONTROL: Readonly<Record<string, Rule>> = { If: branch, Loop: loop, Scan: scan };
