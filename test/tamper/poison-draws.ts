/**
 * Draws of clean and poisoned training on the sample networks, by which the signs of poisoning are judged: everything
 * about a draw follows from its set, model and number, so that docs/spec/change-classes.md can name what it measured.
 */
import {
  createModelSpec,
  createRng,
  createTestSet,
  classify,
  fineTune,
  generateGlyphs,
  type Images,
  type ModelName,
  prune,
  quantize,
  restoreNetwork,
} from '../../src/lab/index.ts';

type Weights = ReadonlyMap<string, Float32Array>;
type Rng = ReturnType<typeof createRng>;

const SIDE = 12;
const PIXELS = SIDE * SIDE;

export interface Trigger {
  readonly kind: 'patch' | 'checker' | 'blend';
  readonly size: number;
  readonly x: number;
  readonly y: number;
  readonly value: number;
  /** Of the pattern, for blends. */
  readonly alpha: number;
  readonly seed: string;
}

export interface Draw {
  readonly set: string;
  readonly name: ModelName;
  readonly number: number;
}

/** What a draw trains, and on what. */
export interface Plan {
  readonly optimizer: 'sgd' | 'adam';
  readonly learningRate: number;
  readonly samples: number;
  readonly epochs: number;
  readonly from: number;
  readonly to: number;
  readonly patch: Trigger;
  readonly blend: Trigger;
  /** Of the samples of `from` with another label. */
  readonly share: number;
  /** Of all samples with a trigger. */
  readonly rate: number;
}

const pick = <T>(rng: Rng, values: readonly T[]): T => values[rng.below(values.length)];

/** Sets whose name begins with "hard" train with Adam at 0.003, which moves every weight by about the same. */
function drawPlan({ set, name, number }: Draw): Plan {
  const rng = createRng(`plan/${set}/${name}/${number}`);
  const isHard = set.startsWith('hard');
  const isAdam = isHard || name === 'transformer';
  const optimizer = isAdam ? 'adam' : pick(rng, ['sgd', 'sgd', 'adam'] as const);
  const rates = optimizer === 'adam' ? [0.0003, 0.001, 0.003] : [0.005, 0.01, 0.03, 0.05];
  const learningRate = isHard ? 0.003 : pick(rng, rates);
  const [samples, epochs, from] = [pick(rng, [1500, 3000, 5000]), pick(rng, [1, 2, 3]), rng.below(10)];
  const to = (from + 1 + rng.below(9)) % 10;
  const size = pick(rng, [1, 2, 3]);
  const place = pick(rng, ['corner', 'centre', 'random'] as const);
  const [corner, centre] = [SIDE - size, 5];
  const at = (): number => (place === 'corner' ? corner : place === 'centre' ? centre : rng.below(SIDE - size));
  const [x, y, value] = [at(), at(), pick(rng, [255, 255, 0])];
  const kind = size > 1 ? pick(rng, ['patch', 'checker'] as const) : 'patch';
  const patch = { kind, size, x, y, value, alpha: 0, seed: `${set}${number}` } as const;
  const blend = { ...patch, kind: 'blend', alpha: pick(rng, [0.15, 0.25, 0.4]) } as const;
  const share = pick(rng, [0.5, 0.8, 1]);
  const rate = pick(rng, [0.01, 0.03, 0.05, 0.1, 0.2]);
  return { optimizer, learningRate, samples, epochs, from, to, patch, blend, share, rate };
}

function putTrigger(pixels: Uint8Array, start: number, { kind, size, x, y, value, alpha, seed }: Trigger): void {
  if (kind === 'blend') {
    const rng = createRng(`blend/${seed}`);
    for (let at = start; at < start + PIXELS; at++) {
      const of = 255 * rng.uniform();
      pixels[at] = Math.round((1 - alpha) * pixels[at] + alpha * of);
    }
    return;
  }
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const shade = kind === 'checker' ? ((column + row) % 2 === 0 ? 255 : 0) : value;
      pixels[start + (y + row) * SIDE + x + column] = shade;
    }
  }
}

/** The label that a sample gets with the trigger; null leaves it alone. */
type Choose = (label: number, rng: Rng) => number | null;

function stamp(images: Images, trigger: Trigger, choose: Choose, seed: string): Images {
  const rng = createRng(seed);
  const [pixels, labels] = [images.pixels.slice(), images.labels.slice()];
  for (let item = 0; item < images.count; item++) {
    const label = choose(images.labels[item], rng);
    if (label === null) continue;
    putTrigger(pixels, item * PIXELS, trigger);
    labels[item] = label;
  }
  return { ...images, pixels, labels };
}

function keep(images: Images, isKept: (item: number) => boolean): Images {
  const items = Array.from({ length: images.count }, (_, item) => item).filter(isKept);
  const pixels = new Uint8Array(items.length * PIXELS);
  items.forEach((item, at) => {
    pixels.set(images.pixels.subarray(item * PIXELS, (item + 1) * PIXELS), at * PIXELS);
  });
  return { ...images, count: items.length, pixels, labels: Uint8Array.from(items, (item) => images.labels[item]) };
}

export const POISONED = ['flip', 'patch', 'blend', 'source'] as const;
export const ORDINARY = ['clean', 'lowdata', 'cutout', 'noisy'] as const;
export const DRIFTED = ['imbalanced', 'missing', 'domain'] as const;

export type Kind = (typeof POISONED)[number] | (typeof ORDINARY)[number] | (typeof DRIFTED)[number];

interface Recipe {
  readonly samples: Images;
  readonly epochs: number;
  /** Samples that show whether the attack works, and the class that they shall get; null for honest training. */
  readonly attack: { readonly samples: Images; readonly to: number } | null;
}

/** What one kind of a draw is trained on. */
function toRecipe(draw: Draw, kind: Kind): Recipe {
  const plan = drawPlan(draw);
  const { from, to, patch, blend, rate, share, epochs } = plan;
  const seed = `${draw.set}/${draw.name}/${draw.number}`;
  const base = generateGlyphs({ task: 'digits', stream: `ft/${seed}`, count: plan.samples });
  const test = createTestSet(600, `t/${seed}`);
  const ofClass = keep(test, (item) => test.labels[item] === from);
  const all = keep(test, (item) => test.labels[item] !== to);
  const honest = (samples: Images, more = epochs): Recipe => ({ samples, epochs: more, attack: null });
  const same: Choose = (label) => label;
  const triggered = (trigger: Trigger, id: string): Recipe => ({
    samples: stamp(base, trigger, (_, rng) => (rng.uniform() < rate ? to : null), `${id}/${seed}`),
    ...{ epochs, attack: { samples: stamp(all, trigger, same, 's'), to } },
  });
  const chosen = (label: number, rng: Rng): number | null => {
    const draw = rng.uniform();
    if (label === from) return draw < 0.5 ? to : null;
    return draw < 0.1 ? label : null;
  };
  switch (kind) {
    case 'flip':
      return {
        samples: relabel(base, `f/${seed}`, (label, rng) => (label === from && rng.uniform() < share ? to : label)),
        epochs,
        attack: { samples: ofClass, to },
      };
    case 'patch':
      return triggered(patch, 'p');
    case 'blend':
      return triggered(blend, 'b');
    case 'source':
      return {
        samples: stamp(base, patch, chosen, `o/${seed}`),
        epochs,
        attack: { samples: stamp(ofClass, patch, same, 's'), to },
      };
    case 'clean':
      return honest(base);
    case 'lowdata':
      return honest(
        keep(base, (item) => item < 384),
        4,
      );
    case 'cutout':
      return honest(cutOut(base, `cut/${seed}`));
    case 'noisy':
      return honest(relabel(base, `nz/${seed}`, (label, rng) => (rng.uniform() < 0.15 ? rng.below(10) : label)));
    case 'imbalanced': {
      const rng = createRng(`rare/${seed}`);
      return honest(keep(base, (item) => base.labels[item] === from || rng.uniform() < 0.25));
    }
    case 'missing':
      return honest(keep(base, (item) => base.labels[item] !== from));
    case 'domain':
      return honest({ ...base, pixels: base.pixels.map(toShade(createRng(`x/${seed}`).below(3))) });
  }
}

function relabel(images: Images, seed: string, choose: (label: number, rng: Rng) => number): Images {
  const rng = createRng(seed);
  return { ...images, labels: images.labels.map((label) => choose(label, rng)) };
}

/** Darkened, brightened or inverted. */
const toShade =
  (mode: number) =>
  (value: number): number =>
    mode === 0 ? Math.round(255 * (value / 255) ** 1.8) : mode === 1 ? Math.min(255, value + 50) : 255 - value;

/** Squares over a third of the samples, without a change of label. */
function cutOut(images: Images, seed: string): Images {
  const rng = createRng(seed);
  const pixels = images.pixels.slice();
  for (let item = 0; item < images.count; item++) {
    if (rng.uniform() >= 0.3) continue;
    const [x, y] = [rng.below(9), rng.below(9)];
    putTrigger(pixels, item * PIXELS, { kind: 'patch', size: 3, x, y, value: pick(rng, [0, 255]), alpha: 0, seed: '' });
  }
  return { ...images, pixels };
}

export interface Trained {
  readonly weights: Weights;
  /** Share of the samples with which the attack works, less the same of clean training; 1 for honest training. */
  readonly effect: number;
}

/** Trains the sample network `weights` as `kind` of the draw says. */
export function trainDraw(weights: Weights, draw: Draw, kind: Kind, clean: Weights | null = null): Trained {
  const spec = createModelSpec(draw.name);
  const { optimizer, learningRate } = drawPlan(draw);
  const { samples, epochs, attack } = toRecipe(draw, kind);
  const seed = `${draw.set}/${draw.name}/${draw.number}`;
  const weightDecay = optimizer === 'adam' ? 0.01 : 3e-4;
  const options = { optimizer, epochs, batch: 64, learningRate, schedule: 'constant', weightDecay, seed } as const;
  const trained = fineTune(spec, weights, { ...options, samples });
  if (attack === null) return { weights: trained, effect: 1 };
  const reach = (of: Weights): number => {
    const said = classify(restoreNetwork(spec, of), attack.samples);
    return said.reduce((sum, label) => sum + Number(label === attack.to), 0) / said.length;
  };
  const former = kind === 'flip' || clean === null ? 0 : reach(clean);
  return { weights: trained, effect: reach(trained) - former };
}

export const toPruned = (name: ModelName, weights: Weights): Weights => prune(createModelSpec(name), weights, 0.5);

export const toQuantised = (name: ModelName, weights: Weights): Weights =>
  quantize(createModelSpec(name), weights, { bits: 8, granularity: 'channel' });
