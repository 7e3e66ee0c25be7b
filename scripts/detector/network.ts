/**
 * The network of the sample detector, and how it learns: a window of 21 × 21 pixels becomes six numbers, two class scores and
 * four of a box. Slid over a picture, it answers for every fourth pixel.
 */
import { createAdam } from '../../src/lab/optimizers/adam.ts';
import { cosineRate } from '../../src/lab/optimizers/optimizer.ts';
import { createRng, type LayerSpec, type Network, type NetworkSpec, type Rng } from '../../src/lab/index.ts';
import { type Scene, SCENE_HEIGHT, SCENE_WIDTH, type Truth } from './scenes.ts';

export const WINDOW = 21;
/** Pixels between two answers. */
export const STRIDE = 4;
/** Side of the box that offsets are relative to, in pixels. */
export const ANCHOR = 16;
/** Background, digit, x, y, width, height. */
export const NUMBERS = 6;

const relu: LayerSpec = { kind: 'relu' };

/** 21 → 9 → 4 → 1 pixels, without padding, so that windows of a larger picture are computed alike: 22 k weights. */
export function createDetectorSpec(): NetworkSpec {
  const conv = (name: string, inputs: number, outputs: number, kernel: number, stride: number): LayerSpec[] => [
    { kind: 'conv', name, inputs, outputs, kernel, stride, padding: 0, groups: 1, hasBias: false },
    { kind: 'batchNorm', name: name.replace('conv', 'bn'), channels: outputs },
    relu,
  ];
  const head: LayerSpec = {
    ...{ kind: 'conv', name: 'head', inputs: 48, outputs: NUMBERS, kernel: 1, stride: 1 },
    ...{ padding: 0, groups: 1, hasBias: true },
  };
  const layers = [...conv('conv1', 1, 12, 5, 2), ...conv('conv2', 12, 24, 3, 2), ...conv('conv3', 24, 48, 4, 1), head];
  return { name: 'detector', side: WINDOW, classes: NUMBERS, layers: [...layers, { kind: 'flatten' }] };
}

export interface DetectorTraining {
  readonly scenes: readonly Scene[];
  readonly steps: number;
  readonly learningRate: number;
  /** Fixes the windows and their order. */
  readonly seed: string;
}

const BATCH = 64;
/** A window is a digit's when the centres are this near, and nobody's up to the second distance, in pixels. */
const NEAR = 3;
const FAR = 7;
const BOX_WEIGHT = 2;

/** Trains in place; the mean loss of the last hundred steps. */
export function trainDetector(network: Network, { scenes, steps, learningRate, seed }: DetectorTraining): number {
  const optimizer = createAdam(network.parameters, { weightDecay: 0.01 });
  const rng = createRng(`detector/windows/${seed}`);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const windows = Array.from({ length: BATCH }, () => cut(scenes[rng.below(scenes.length)], rng));
    const data = new Float32Array(BATCH * WINDOW * WINDOW);
    for (const [item, { pixels }] of windows.entries()) data.set(pixels, item * WINDOW * WINDOW);
    const answers = network.forward({ data, shape: [BATCH, WINDOW, WINDOW, 1] }, 'train');
    const { value, gradient } = measureLoss(answers.data, windows);
    network.backward({ data: gradient, shape: answers.shape });
    optimizer.step(cosineRate(learningRate, step, steps));
    losses.push(value);
  }
  const last = losses.slice(-100);
  return last.reduce((sum, loss) => sum + loss, 0) / last.length;
}

interface Window {
  readonly pixels: Float32Array;
  /** Null for background, undefined where nothing is to be learned. */
  readonly box: readonly number[] | null | undefined;
}

/** Half of the windows stand at a digit, a few pixels off. */
function cut({ pixels, digits }: Scene, rng: Rng): Window {
  const clamp = (value: number, max: number): number => Math.min(max, Math.max(0, Math.round(value)));
  const digit = digits.length > 0 && rng.uniform() < 0.5 ? digits[rng.below(digits.length)] : undefined;
  const half = (WINDOW - 1) / 2;
  const near = (at: number): number => at + (digit?.side ?? 0) / 2 - half + rng.between(-NEAR - 1, NEAR + 1);
  const left = clamp(digit === undefined ? rng.below(SCENE_WIDTH) : near(digit.x), SCENE_WIDTH - WINDOW);
  const top = clamp(digit === undefined ? rng.below(SCENE_HEIGHT) : near(digit.y), SCENE_HEIGHT - WINDOW);
  const window = new Float32Array(WINDOW * WINDOW);
  for (let row = 0; row < WINDOW; row++) {
    const from = (top + row) * SCENE_WIDTH + left;
    window.set(pixels.subarray(from, from + WINDOW), row * WINDOW);
  }
  return { pixels: window, box: toTarget(digits, left + half + 0.5, top + half + 0.5) };
}

function toTarget(digits: readonly Truth[], x: number, y: number): Window['box'] {
  const offsets = digits
    .map((digit) => ({ side: digit.side, dx: digit.x + digit.side / 2 - x, dy: digit.y + digit.side / 2 - y }))
    .map((offset) => ({ ...offset, distance: Math.max(Math.abs(offset.dx), Math.abs(offset.dy)) }))
    .sort((a, b) => a.distance - b.distance);
  const nearest = offsets.at(0);
  if (nearest === undefined || nearest.distance > FAR) return null;
  if (nearest.distance > NEAR) return undefined;
  const size = Math.log(nearest.side / ANCHOR);
  return [nearest.dx / ANCHOR, nearest.dy / ANCHOR, size, size];
}

/** Cross-entropy of the two classes, and squared error of the box where there is one; means over the batch. */
function measureLoss(
  answers: Float32Array,
  windows: readonly Window[],
): { readonly value: number; readonly gradient: Float32Array } {
  const gradient = new Float32Array(answers.length);
  let value = 0;
  windows.forEach(({ box }, item) => {
    if (box === undefined) return;
    const at = item * NUMBERS;
    const chance = 1 / (1 + Math.exp(answers[at] - answers[at + 1]));
    const wanted = box === null ? 0 : 1;
    value -= Math.log(Math.max(1e-12, wanted === 1 ? chance : 1 - chance));
    gradient[at + 1] = (chance - wanted) / windows.length;
    gradient[at] = -gradient[at + 1];
    box?.forEach((target, i) => {
      const error = answers[at + 2 + i] - target;
      value += BOX_WEIGHT * error * error;
      gradient[at + 2 + i] = (2 * BOX_WEIGHT * error) / windows.length;
    });
  });
  return { value: value / windows.length, gradient };
}
