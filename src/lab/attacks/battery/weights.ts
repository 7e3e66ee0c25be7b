/** Attacks on weights alone: any format, no data, no graph. */
import { LabError } from '../../../core/errors.ts';
import type { Graph, Model } from '../../../model/types.ts';
import { changeTensors, listMatrices } from '../files/tensors.ts';
import { addGaussian, drawAnew, shiftFilters } from '../kernels/noise.ts';
import { pruneRandom, pruneRows, pruneSmallest } from '../kernels/prune.ts';
import { roundToFloat, roundToFp8, roundToInts, roundToQ4, roundToQ8 } from '../kernels/round.ts';
import type { Matrix } from '../matrices.ts';
import type { ModelAttack, StrengthKind, Tools } from './types.ts';

type Change = (
  matrix: Matrix,
  strength: string,
  about: { readonly seed: string; readonly isInOut: boolean },
) => Float32Array;

const share: StrengthKind = { kind: 'number', min: 0, max: 1 };
const choice = (...values: readonly string[]): StrengthKind => ({ kind: 'choice', values });

/** Names of matrices whose output channels are their columns. */
function listInOut(graph: Graph | null): ReadonlySet<string> {
  const names = (graph?.nodes ?? []).flatMap(({ op, inputs, attributes }) => {
    const transB = attributes.get('transB');
    const isTransposed = transB?.kind === 'int' && transB.value === 1n;
    return op === 'MatMul' || (op === 'Gemm' && !isTransposed) ? [inputs[1]] : [];
  });
  return new Set(names);
}

/** Names of matrices in the order in which the graph reads them; without a graph, in which they lie. */
function listInOrder(model: Model): string[] {
  const names = listMatrices(model).map(({ name }) => name);
  const isMatrix = new Set(names);
  const read = (model.graph?.nodes ?? []).flatMap(({ inputs }) => inputs.filter((name) => isMatrix.has(name)));
  return read.length > 0 ? [...new Set(read)] : names;
}

/** The last matrices are drawn anew: what a thief does who keeps the lower layers alone. */
function reset(model: Model, count: number, tools: Tools): ReturnType<ModelAttack['run']> {
  const last = new Set(listInOrder(model).slice(-count));
  const change: Change = ({ name, values }, _, { seed }) => (last.has(name) ? drawAnew(values, seed) : values);
  return changeAll(model, change, String(count), tools);
}

/** @throws LabError LAB_ATTACK_UNFIT when no tensor holds floating-point weights */
function changeAll(model: Model, change: Change, strength: string, { seed }: Tools): ReturnType<ModelAttack['run']> {
  if (listMatrices(model).length === 0) {
    throw new LabError('LAB_ATTACK_UNFIT', { fields: { reason: 'no tensor holds floating-point weights' } });
  }
  const inOut = listInOut(model.graph);
  const edits = changeTensors(model, (matrix) =>
    change(matrix, strength, { seed: `${seed}/${matrix.name}`, isInOut: inOut.has(matrix.name) }),
  );
  return { plan: model.plan(edits), name: model.files[0].name };
}

function row(attack: Omit<ModelAttack, 'group' | 'run'>, change: Change): ModelAttack {
  return { group: 'weights', ...attack, run: (model, strength, tools) => changeAll(model, change, strength, tools) };
}

/** One scale per tensor, per output channel (first axis, or last of [in, out] matrices), or per 128 neighbours. */
function toInts(bits: number): Change {
  return ({ values, shape }, granularity, { isInOut }) => {
    if (granularity === 'tensor') return roundToInts(values, bits, values.length);
    if (granularity === 'group') return roundToInts(values, bits, 128);
    if (!isInOut) return roundToInts(values, bits, values.length / shape[0]);
    return transpose(roundToInts(transpose(values, shape[0], shape[1]), bits, shape[0]), shape[1], shape[0]);
  };
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows; i += 1) for (let j = 0; j < columns; j += 1) out[j * rows + i] = values[i * columns + j];
  return out;
}

const granularity = choice('tensor', 'channel', 'group');
const scales = 'weights that share a scale';

export const WEIGHT_ATTACKS: readonly ModelAttack[] = [
  row(
    { id: 'none', title: 'the marked copy as it is', unit: '', strengths: ['-'], accepts: choice('-') },
    ({ values }) => values,
  ),
  row(
    {
      id: 'prune',
      title: 'smallest weights pruned',
      unit: 'share',
      strengths: ['0.25', '0.5', '0.75', '0.9'],
      accepts: share,
    },
    ({ values }, strength) => pruneSmallest(values, Number(strength)),
  ),
  row(
    { id: 'prune-random', title: 'random weights pruned', unit: 'share', strengths: ['0.1', '0.25'], accepts: share },
    ({ values }, strength, { seed }) => pruneRandom(values, Number(strength), seed),
  ),
  row(
    {
      id: 'prune-rows',
      title: 'weakest rows of each matrix zeroed',
      unit: 'share',
      strengths: ['0.1', '0.25'],
      accepts: share,
    },
    ({ values, shape }, strength) => pruneRows(values, shape[0], Number(strength)),
  ),
  row(
    { id: 'int8', title: '8-bit integers', unit: scales, strengths: ['tensor', 'channel'], accepts: granularity },
    toInts(8),
  ),
  row({ id: 'int6', title: '6-bit integers', unit: scales, strengths: ['tensor'], accepts: granularity }, toInts(6)),
  row(
    {
      id: 'int4',
      title: '4-bit integers',
      unit: scales,
      strengths: ['tensor', 'channel', 'group'],
      accepts: granularity,
    },
    toInts(4),
  ),
  row(
    { id: 'fp8', title: '8-bit floats', unit: 'type', strengths: ['e4m3', 'e5m2'], accepts: choice('e4m3', 'e5m2') },
    ({ values }, strength) => roundToFp8(values, strength === 'e4m3' ? 'f8e4m3fn' : 'f8e5m2'),
  ),
  row(
    {
      id: 'gguf',
      title: 'GGUF block quantisation',
      unit: 'type',
      strengths: ['q8_0', 'q4_0'],
      accepts: choice('q8_0', 'q4_0'),
    },
    ({ values }, strength) => (strength === 'q8_0' ? roundToQ8(values) : roundToQ4(values)),
  ),
  row(
    { id: 'half', title: '16-bit floats', unit: 'type', strengths: ['fp16', 'bf16'], accepts: choice('fp16', 'bf16') },
    ({ values }, strength) => roundToFloat(values, strength === 'fp16' ? 'f16' : 'bf16'),
  ),
  row(
    {
      ...{ id: 'noise', title: 'Gaussian noise', unit: 'deviation over that of the weights' },
      ...{ strengths: ['0.1', '0.3', '1'], accepts: { kind: 'number', min: 0, max: 10 } },
    },
    ({ values }, strength, { seed }) => addGaussian(values, Number(strength), `${seed}/noise`),
  ),
  row(
    {
      ...{ id: 'shift', title: 'weight shifting, without training after it', unit: 'lambda' },
      ...{ strengths: ['1.5'], accepts: { kind: 'number', min: 0, max: 10 } },
    },
    ({ values, shape }, strength, { seed }) => shiftFilters(values, shape[0], Number(strength), `${seed}/shift`),
  ),
  {
    ...{ id: 'reset', group: 'weights', title: 'last layers drawn anew', unit: 'layers', strengths: ['1', '2'] },
    accepts: { kind: 'number', min: 1, max: 100, isWhole: true },
    run: (model, strength, tools) => reset(model, Number(strength), tools),
  },
];
