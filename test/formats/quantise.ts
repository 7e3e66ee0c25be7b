/** A plain quantiser for tests: scales from each group's range, then the nearest codes. Not tuned as ggml's own are. */
import { encodeBlocks } from '../../src/model/blocks.ts';
import { type BlockDType, toBlockSize } from '../../src/model/dtype.ts';
import { encodeFloats } from '../../src/model/floats.ts';

type Fill = (block: Uint8Array, values: readonly number[]) => void;

function putHalf(block: Uint8Array, at: number, value: number): void {
  encodeFloats('f16', [value], block.subarray(at, at + 2));
}

const groupsOf = (values: readonly number[], size: number): number[][] =>
  Array.from({ length: values.length / size }, (_, i) => values.slice(i * size, (i + 1) * size));
const reach = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
/** Non-zero, so that a block of zeros can be divided by it. */
const unit = (value: number): number => (value === 0 ? 1 : value);

const symmetric =
  (half: number): Fill =>
  (block, values) => {
    const most = values.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
    putHalf(block, 0, -most / half);
  };

const ranged =
  (codeMax: number): Fill =>
  (block, values) => {
    const least = Math.min(...values);
    putHalf(block, 0, (Math.max(...values) - least) / codeMax);
    putHalf(block, 2, least);
  };

/** Step and (positive) minimum of each group, and the two block scales that turn them into whole numbers. */
function toLines(values: readonly number[], size: number, codeMax: number, scaleMax: number) {
  const groups = groupsOf(values, size);
  const minima = groups.map((group) => Math.max(0, -Math.min(...group)));
  const steps = groups.map((group, i) => (Math.max(...group) + minima[i]) / codeMax);
  const [scale, minimum] = [unit(reach(steps) / scaleMax), unit(reach(minima) / scaleMax)];
  const round = (all: readonly number[], by: number): number[] => all.map((value) => Math.round(value / by));
  return { scale, minimum, steps: round(steps, scale), minima: round(minima, minimum) };
}

const packed =
  (codeMax: number): Fill =>
  (block, values) => {
    const { scale, minimum, steps, minima } = toLines(values, 32, codeMax, 63);
    putHalf(block, 0, scale);
    putHalf(block, 2, minimum);
    for (let g = 0; g < 4; g++) {
      block[4 + g] = steps[g] | ((steps[g + 4] >> 4) << 6);
      block[8 + g] = minima[g] | ((minima[g + 4] >> 4) << 6);
      block[12 + g] = (steps[g + 4] & 15) | ((minima[g + 4] & 15) << 4);
    }
  };

const FILLS: Readonly<Partial<Record<BlockDType, Fill>>> = {
  q4_0: symmetric(8),
  q5_0: symmetric(16),
  q8_0: (block, values) => {
    putHalf(block, 0, reach(values) / 127);
  },
  q4_1: ranged(15),
  q5_1: ranged(31),
  q2_k: (block, values) => {
    const { scale, minimum, steps, minima } = toLines(values, 16, 3, 15);
    steps.forEach((step, g) => (block[g] = step | (minima[g] << 4)));
    putHalf(block, 80, scale);
    putHalf(block, 82, minimum);
  },
  q3_k: (block, values) => {
    const steps = groupsOf(values, 16).map((group) => reach(group) / 4);
    const scale = unit(reach(steps) / 31);
    putHalf(block, 108, scale);
    steps.forEach((step, g) => {
      const stored = Math.round(step / scale) + 32;
      block[96 + (g & 7)] |= (stored & 15) << (g < 8 ? 0 : 4);
      block[104 + (g & 3)] |= (stored >> 4) << (2 * (g >> 2));
    });
  },
  q4_k: packed(15),
  q5_k: packed(31),
  q6_k: (block, values) => {
    const steps = groupsOf(values, 16).map((group) => reach(group) / 32);
    const scale = unit(reach(steps) / 127);
    putHalf(block, 208, scale);
    steps.forEach((step, g) => (block[192 + g] = Math.round(step / scale)));
  },
};

/** Blocks that hold `values` as well as their type can; their number is a whole number of blocks. */
export function toBlocks(dtype: BlockDType, values: ArrayLike<number>): Uint8Array {
  const { elements, bytes } = toBlockSize(dtype);
  const out = new Uint8Array((values.length / elements) * bytes);
  groupsOf(Array.from(values), elements).forEach((group, i) => {
    const block = out.subarray(i * bytes, (i + 1) * bytes);
    FILLS[dtype]!(block, group);
    encodeBlocks(dtype, group, block);
  });
  return out;
}
