/** The attacks on channels that cost no accuracy, and the removal of channels: any ONNX graph, no data. */
import { toRowNorms, toChannelPlan } from './plan.ts';
import { createRng, type Rng, shuffledOrder } from '../../../rng.ts';
import type { Model } from '../../../../model/types.ts';
import type { RewritePlan } from '../../../../source/rewrite.ts';
import { type Channel, keepChannel } from './remap.ts';
import { findRegions, type Region } from './region.ts';

/** Scales are e^u with u uniform in ± this. */
const LOG_SCALE = 1;

export interface MoveOptions {
  /** order: neurons change places. scale: and are multiplied, where that is undone. sign: and negated. */
  readonly order: boolean;
  readonly scale: boolean;
  readonly sign: boolean;
  readonly seed: string;
}

/**
 * Reorders, rescales and negates hidden channels without changing what the model computes. Signs are turned only where a
 * batch normalisation absorbs them, or where everything up to the next layer is linear or odd: a rectifier is neither.
 * @throws LabError LAB_ATTACK_UNFIT when no channels can be moved so
 */
export function moveChannels(model: Model, options: MoveOptions): RewritePlan {
  const rng = createRng(`${options.seed}/move`);
  const regions = findRegions(model).filter((region) => options.order || canScale(region, options));
  return toChannelPlan(model, regions, (region) => {
    const order = options.order ? shuffledOrder(region.channels, rng) : null;
    return Array.from({ length: region.channels }, (_, index) => {
      const after = drawAfter(region, options, rng);
      const before = region.epsilon === null ? 1 : drawFactor(rng, options.scale, options.sign);
      return {
        ...keepChannel(order?.[index] ?? index),
        columnFrom: order?.[index] ?? index,
        before,
        after,
        column: 1 / after,
      };
    });
  });
}

/** Whether an attack without reordering changes anything here. */
function canScale({ passes, epsilon }: Region, { scale, sign }: MoveOptions): boolean {
  if (epsilon !== null) return true;
  return (
    (scale && (passes === 'any scale' || passes === 'positive scales')) ||
    (sign && (passes === 'any scale' || passes === 'signs'))
  );
}

function drawAfter({ passes }: Region, { scale, sign }: MoveOptions, rng: Rng): number {
  const scales = scale && (passes === 'any scale' || passes === 'positive scales');
  const signs = sign && (passes === 'any scale' || passes === 'signs');
  return drawFactor(rng, scales, signs);
}

function drawFactor(rng: Rng, isScaled: boolean, isSigned: boolean): number {
  const size = isScaled ? Math.exp(rng.between(-LOG_SCALE, LOG_SCALE)) : 1;
  return isSigned && rng.uniform() < 0.5 ? -size : size;
}

export type DummyKind = 'zero' | 'clique' | 'split';

/**
 * Adds neurons that change nothing, in random places (neural structural obfuscation): with no way on (zero), in pairs that
 * make the same and cancel each other (clique), or as two parts of a neuron that there was (split).
 * @param share of each layer's channels
 * @see Yan et al., "Rethinking White-Box Watermarks on Deep Learning Models under Neural Structural Obfuscation", USENIX Security 2023
 * @throws LabError LAB_ATTACK_UNFIT
 */
export function addDummies(model: Model, options: { kind: DummyKind; share: number; seed: string }): RewritePlan {
  const { kind, share, seed } = options;
  const rng = createRng(`${seed}/dummy/${kind}`);
  return toChannelPlan(model, findRegions(model), (region) => {
    const count = Math.max(1, Math.round(share * region.channels));
    const old = Array.from({ length: region.channels }, (_, index) => keepChannel(index));
    const noise = (index: number): string => `${seed}/${region.producer}/${index}`;
    const all =
      kind === 'split' ? splitChannels(region, old, count, rng) : [...old, ...makeUp(kind, count, noise, region, rng)];
    return [...shuffledOrder(all.length, rng)].map((index) => all[index]);
  });
}

function makeUp(
  kind: 'zero' | 'clique',
  count: number,
  noise: (index: number) => string,
  region: Region,
  rng: Rng,
): Channel[] {
  return Array.from({ length: kind === 'zero' ? count : Math.ceil(count / 2) }, (_, index) => {
    const base = {
      ...keepChannel(rng.below(region.channels)),
      noise: noise(index),
      columnFrom: rng.below(region.channels),
    };
    if (kind === 'zero') return [{ ...base, column: 0 }];
    const column = rng.between(0.5, 1.5);
    return [
      { ...base, column },
      { ...base, column: -column },
    ];
  }).flat();
}

/** Each of some channels becomes two with parts of its columns; one of them is rescaled where that is undone. */
function splitChannels({ channels, passes }: Region, old: readonly Channel[], count: number, rng: Rng): Channel[] {
  const chosen = new Set(shuffledOrder(channels, rng).subarray(0, count));
  return old.flatMap((channel) => {
    if (!chosen.has(channel.from)) return [channel];
    const part = rng.between(0.2, 0.8);
    const after = passes === 'any scale' || passes === 'positive scales' ? drawFactor(rng, true, false) : 1;
    return [
      { ...channel, column: part },
      { ...channel, after, column: (1 - part) / after },
    ];
  });
}

/**
 * Takes the channels with the smallest weights out of every layer: the file becomes smaller, and most models need training
 * afterwards.
 * @throws LabError LAB_ATTACK_UNFIT
 */
export function cutChannels(model: Model, share: number): RewritePlan {
  return toChannelPlan(model, findRegions(model), (region, constants) => {
    const norms = toRowNorms(region, constants);
    const count = Math.min(region.channels - 1, Math.round(share * region.channels));
    const order = Uint32Array.from(norms, (_, index) => index).sort((a, b) => norms[a] - norms[b] || a - b);
    return [...order.subarray(count)].sort((a, b) => a - b).map(keepChannel);
  });
}
