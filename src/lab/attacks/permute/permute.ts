/** The attack that costs nothing: reorders and rescales hidden channels without changing what the network computes. */
import { BATCH_NORM_EPSILON } from '../../layers/batch-norm.ts';
import { createRng } from '../../rng.ts';
import type { ConvSpec, DenseSpec, NetworkSpec, Weights } from '../../spec.ts';
import { createMoves, type Move } from './spaces.ts';
import { placeLayers } from './walk.ts';

export interface PermuteOptions {
  readonly seed: string;
  /** Channels are multiplied by e^u with u uniform in ± this. */
  readonly logScaleMax: number;
}

interface Moves {
  readonly input: Move;
  readonly output: Move;
}

/** Size of a move, or `size` channels that stay: inputs of the network count pixels. */
function padMove(move: Move, size: number): Move {
  if (move.order.length === size) return move;
  return { order: Uint32Array.from({ length: size }, (_, index) => index), scale: new Float64Array(size).fill(1) };
}

function moveVector(values: Float32Array, { order, scale }: Move): Float32Array {
  return Float32Array.from(order, (from) => values[from] * scale[from]);
}

function moveDense({ inputs, outputs, layout }: DenseSpec, values: Float32Array, moves: Moves): Float32Array {
  const moved = new Float32Array(values.length);
  const { order, scale } = padMove(moves.input, inputs);
  const at = (out: number, input: number): number =>
    layout === 'outIn' ? out * inputs + input : input * outputs + out;
  for (let out = 0; out < outputs; out += 1) {
    const fromOut = moves.output.order[out];
    for (let input = 0; input < inputs; input += 1) {
      const factor = moves.output.scale[fromOut] / scale[order[input]];
      moved[at(out, input)] = values[at(fromOut, order[input])] * factor;
    }
  }
  return moved;
}

function moveKernel(layer: ConvSpec, values: Float32Array, { input, output }: Moves): Float32Array {
  const moved = new Float32Array(values.length);
  const inPerGroup = layer.inputs / layer.groups;
  const outPerGroup = layer.outputs / layer.groups;
  const places = layer.kernel * layer.kernel;
  for (let out = 0; out < layer.outputs; out += 1) {
    const fromOut = output.order[out];
    const [group, fromGroup] = [Math.floor(out / outPerGroup), Math.floor(fromOut / outPerGroup)];
    for (let local = 0; local < inPerGroup; local += 1) {
      const from = input.order[group * inPerGroup + local];
      const fromLocal = from - fromGroup * inPerGroup;
      const factor = output.scale[fromOut] / input.scale[from];
      for (let place = 0; place < places; place += 1) {
        const value = values[(fromOut * inPerGroup + fromLocal) * places + place];
        moved[(out * inPerGroup + local) * places + place] = value * factor;
      }
    }
  }
  return moved;
}

/** Statistics follow the input's scale, factor and summand the output's. */
function moveNorm(name: string, weights: Weights, { input, output }: Moves): [string, Float32Array][] {
  const get = (part: string): Float32Array => weights.get(`${name}.${part}`)!;
  const variance = Float32Array.from(input.order, (from) => {
    const scale = input.scale[from];
    return scale * scale * (get('running_var')[from] + BATCH_NORM_EPSILON) - BATCH_NORM_EPSILON;
  });
  return [
    [`${name}.weight`, moveVector(get('weight'), output)],
    [`${name}.bias`, moveVector(get('bias'), output)],
    [`${name}.running_mean`, moveVector(get('running_mean'), input)],
    [`${name}.running_var`, variance],
  ];
}

/** Columns of a [rows, width] table. */
function moveTable(values: Float32Array, { order, scale }: Move): Float32Array {
  const width = order.length;
  return values.map((_, at) => {
    const from = order[at % width];
    return values[at - (at % width) + from] * scale[from];
  });
}

/** The same function from moved weights; outputs differ by rounding only. */
export function permute(spec: NetworkSpec, weights: Weights, options: PermuteOptions): Map<string, Float32Array> {
  const rng = createRng(`${options.seed}/permute`);
  const toMove = createMoves({ rng, logScaleMax: options.logScaleMax });
  const moved = new Map<string, Float32Array>();
  for (const { layer, input, output } of placeLayers(spec)) {
    const moves = { input: toMove(input), output: toMove(output) };
    const { name } = layer;
    const weight = weights.get(`${name}.weight`)!;
    const bias = weights.get(`${name}.bias`);
    if (layer.kind === 'dense') moved.set(`${name}.weight`, moveDense(layer, weight, moves));
    else if (layer.kind === 'conv') moved.set(`${name}.weight`, moveKernel(layer, weight, moves));
    else if (layer.kind === 'table') moved.set(`${name}.weight`, moveTable(weight, moves.output));
    else if (layer.kind === 'layerNorm') moved.set(`${name}.weight`, moveVector(weight, moves.output));
    else for (const [key, values] of moveNorm(name, weights, moves)) moved.set(key, values);
    if (bias !== undefined) moved.set(`${name}.bias`, moveVector(bias, moves.output));
  }
  return new Map([...weights].map(([name]) => [name, moved.get(name)!]));
}
