/** From the value that enters a layer to rows of features: what one output is a weighted sum of, in the weight's order. */
import type { WeightUse } from '../../align/index.ts';

/** A value of the graph as numbers. */
export interface Value {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array;
}

/** Reads rows of a layer's input. */
export interface FeatureReader {
  /** Rows that the value holds: one per token, or per place of a feature map. */
  readonly rows: number;
  /** Fills `into` with row `index`: [groups, features], group after group. */
  read(index: number, into: Float32Array): void;
}

/**
 * Rows of the input of a dense or convolutional layer; null when the operator takes its input in another way.
 * @param output shape of the layer's output
 */
export function toFeatureReader(use: WeightUse, input: Value, output: readonly number[]): FeatureReader | null {
  if (use.kind === 'conv') return toPatchReader(use, input, output);
  return use.kind === 'dense' ? toDenseReader(use, input) : null;
}

function toDenseReader({ node, weight, inAxis }: WeightUse, { shape, data }: Value): FeatureReader | null {
  const transA = node.attributes.get('transA');
  if (weight.shape.length !== 2 || inAxis === null || (transA?.kind === 'int' && transA.value !== 0n)) return null;
  const features = weight.shape[inAxis];
  if (shape.at(-1) !== features || features === 0) return null;
  return {
    rows: data.length / features,
    read: (index, into) => {
      into.set(data.subarray(index * features, (index + 1) * features));
    },
  };
}

/** One spatial axis of a convolution. */
interface Axis {
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: number;
  readonly outputs: number;
}

/** Patches of a convolution over any number of spatial axes, input [batch, channels, ...], weight [out, in/groups, ...kernel]. */
function toPatchReader(use: WeightUse, { shape, data }: Value, output: readonly number[]): FeatureReader | null {
  const axes = toAxes(use, shape, output);
  const { groups } = use;
  const [batch, channels] = shape;
  if (axes === null || use.outAxis !== 0 || channels !== use.weight.shape[1] * groups) return null;
  const places = axes.reduce((product, axis) => product * axis.outputs, 1);
  const plane = axes.reduce((product, axis) => product * axis.size, 1);
  const taps = axes.reduce((product, axis) => product * axis.kernel, 1);
  const offsets = new Int32Array(taps);
  return {
    rows: batch * places,
    read: (index, into) => {
      fillOffsets(axes, index % places, offsets);
      const start = Math.floor(index / places) * channels * plane;
      for (let channel = 0; channel < channels; channel++) {
        for (let tap = 0; tap < taps; tap++) {
          const offset = offsets[tap];
          into[channel * taps + tap] = offset < 0 ? 0 : data[start + channel * plane + offset];
        }
      }
    },
  };
}

function toAxes({ node, weight }: WeightUse, shape: readonly number[], output: readonly number[]): Axis[] | null {
  const spatial = weight.shape.length - 2;
  if (spatial < 1 || shape.length !== spatial + 2 || output.length !== spatial + 2) return null;
  const list = (name: string, otherwise: number): number[] => {
    const attribute = node.attributes.get(name);
    if (attribute?.kind === 'ints') return attribute.values.map(Number);
    return new Array<number>(2 * spatial).fill(otherwise);
  };
  const [strides, dilations, pads] = [list('strides', 1), list('dilations', 1), list('pads', 0)];
  const auto = node.attributes.get('auto_pad');
  const mode = auto?.kind === 'string' ? Buffer.from(auto.value).toString('latin1') : 'NOTSET';
  return Array.from({ length: spatial }, (_, i) => {
    const [size, kernel, outputs] = [shape[i + 2], weight.shape[i + 2], output[i + 2]];
    const [stride, dilation] = [strides[i], dilations[i]];
    const total = Math.max(0, (outputs - 1) * stride + (kernel - 1) * dilation + 1 - size);
    const half = mode === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
    const padding = mode.startsWith('SAME') ? half : mode === 'VALID' ? 0 : pads[i];
    return { size, kernel, stride, dilation, padding, outputs };
  });
}

/** Offsets in a plane of the kernel's taps at one place; -1 in the padding. */
function fillOffsets(axes: readonly Axis[], place: number, into: Int32Array): void {
  into.fill(0);
  let [left, inner, taps] = [place, 1, 1];
  for (let i = axes.length - 1; i >= 0; i--) {
    const axis = axes[i];
    const first = (left % axis.outputs) * axis.stride - axis.padding;
    left = Math.floor(left / axis.outputs);
    for (let tap = 0; tap < into.length; tap++) {
      const at = first + (Math.floor(tap / taps) % axis.kernel) * axis.dilation;
      if (at < 0 || at >= axis.size) into[tap] = -1;
      else if (into[tap] >= 0) into[tap] += at * inner;
    }
    inner *= axis.size;
    taps *= axis.kernel;
  }
}
