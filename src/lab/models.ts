/** The four sample networks: an MLP, a small and a larger residual CNN, and a two-layer transformer. */
import type { BatchNormSpec, ConvSpec, DenseSpec, LayerSpec, NetworkSpec } from './spec.ts';
import { GLYPH_CLASSES, GLYPH_SIDE } from './tasks/glyphs.ts';

export const MODEL_NAMES = ['mlp', 'cnn', 'cnn-large', 'transformer'] as const;
export type ModelName = (typeof MODEL_NAMES)[number];

const relu: LayerSpec = { kind: 'relu' };

function dense(name: string, inputs: number, outputs: number): DenseSpec {
  return { kind: 'dense', name, inputs, outputs, layout: 'outIn' };
}

function conv(name: string, inputs: number, outputs: number, more: Partial<ConvSpec> = {}): ConvSpec {
  const base = { kernel: 3, stride: 1, padding: 1, groups: 1, hasBias: false } as const;
  return { kind: 'conv', name, inputs, outputs, ...base, ...more };
}

function norm(name: string, channels: number): BatchNormSpec {
  return { kind: 'batchNorm', name, channels };
}

/** 144-256-192-10: 88 k weights. */
function mlp(): readonly LayerSpec[] {
  const pixels = GLYPH_SIDE * GLYPH_SIDE;
  const drop: LayerSpec = { kind: 'dropout', share: 0.2 };
  const hidden = [dense('fc1', pixels, 256), relu, drop, dense('fc2', 256, 192), relu, drop];
  return [{ kind: 'flatten' }, ...hidden, dense('fc3', 192, GLYPH_CLASSES)];
}

/** A residual block whose first convolution may be grouped. */
function block(name: string, width: number, groups: number): readonly LayerSpec[] {
  const body = [
    ...[conv(`${name}.conv1`, width, width, { groups }), norm(`${name}.bn1`, width), relu],
    ...[conv(`${name}.conv2`, width, width), norm(`${name}.bn2`, width)],
  ];
  return [{ kind: 'residual', body, shortcut: [] }, relu];
}

/** Two stride-2 convolutions, one residual block with a grouped convolution, a 1 x 1 convolution: 50 k weights. */
function cnn(): readonly LayerSpec[] {
  return [
    ...[conv('conv1', 1, 24, { kernel: 5, padding: 2, stride: 2 }), norm('bn1', 24), relu],
    ...[conv('conv2', 24, 48, { stride: 2 }), norm('bn2', 48), relu],
    ...block('block1', 48, 4),
    ...[conv('conv3', 48, 208, { kernel: 1, padding: 0 }), norm('bn3', 208), relu],
    ...[{ kind: 'globalPool' } as const, dense('fc', 208, GLYPH_CLASSES)],
  ];
}

/** Two stages with a residual block each, the second with a projected shortcut: 230 k weights. */
function cnnLarge(): readonly LayerSpec[] {
  const body = [
    ...[conv('down.conv1', 64, 96, { stride: 2 }), norm('down.bn1', 96), relu],
    ...[conv('down.conv2', 96, 96), norm('down.bn2', 96)],
  ];
  const shortcut = [conv('down.conv3', 64, 96, { kernel: 1, padding: 0, stride: 2 }), norm('down.bn3', 96)];
  return [
    ...[conv('conv1', 1, 24), norm('bn1', 24), relu, { kind: 'pool', mode: 'max', size: 2, stride: 2 } as const],
    ...[conv('conv2', 24, 64), norm('bn2', 64), relu],
    ...block('block1', 64, 8),
    ...[{ kind: 'residual', body, shortcut } as const, relu],
    ...[{ kind: 'globalPool' } as const, dense('fc', 96, GLYPH_CLASSES)],
  ];
}

const WIDTH = 48;
const PATCH = 4;
const TOKENS = (GLYPH_SIDE / PATCH) ** 2;

function project(name: string, inputs: number, outputs: number): DenseSpec {
  return { kind: 'dense', name, inputs, outputs, layout: 'inOut' };
}

/** Pre-norm attention and feed-forward, each with its residual. */
function encoder(name: string): readonly LayerSpec[] {
  const attention: readonly LayerSpec[] = [
    { kind: 'layerNorm', name: `${name}.ln1`, width: WIDTH },
    { kind: 'attention', name: `${name}.attn`, width: WIDTH, heads: 4, tokens: TOKENS },
  ];
  const feedForward: readonly LayerSpec[] = [
    { kind: 'layerNorm', name: `${name}.ln2`, width: WIDTH },
    ...[project(`${name}.ffn.up`, WIDTH, 4 * WIDTH), { kind: 'gelu' } as const],
    project(`${name}.ffn.down`, 4 * WIDTH, WIDTH),
  ];
  return [
    { kind: 'residual', body: attention, shortcut: [] },
    { kind: 'residual', body: feedForward, shortcut: [] },
  ];
}

/** 9 patches of 4 x 4 pixels, width 48, two layers of four heads: 57 k weights. */
function transformer(): readonly LayerSpec[] {
  return [
    { kind: 'patches', side: GLYPH_SIDE, size: PATCH },
    project('embed', PATCH * PATCH, WIDTH),
    { kind: 'position', name: 'position', tokens: TOKENS, width: WIDTH },
    ...[...encoder('layer1'), ...encoder('layer2')],
    { kind: 'layerNorm', name: 'ln', width: WIDTH },
    ...[{ kind: 'meanTokens' } as const, dense('fc', WIDTH, GLYPH_CLASSES)],
  ];
}

/** The spec of a sample network: images 12 x 12, ten classes. */
export function createModelSpec(name: ModelName): NetworkSpec {
  const layers = { mlp, cnn, 'cnn-large': cnnLarge, transformer }[name]();
  return { name, side: GLYPH_SIDE, classes: GLYPH_CLASSES, layers };
}
