import { describe, expect, test } from 'vitest';
import { memoryModel, memoryTensor, seededNumbers } from '../../../test/fakes/memory-model.ts';
import type { Model } from '../../model/types.ts';
import { findTopologyFault } from '../topology-fault.ts';
import { toTopology } from '../topology.ts';

const SETTINGS = { model_type: 'llama', num_attention_heads: 4, num_key_value_heads: 2 };
const [WIDTH, HEADS, KEYS, D, INNER] = [24, 4, 2, 6, 40];

interface Change {
  readonly settings?: object | null;
  readonly rename?: (name: string) => string;
  readonly extra?: Readonly<Record<string, readonly number[]>>;
  readonly drop?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Shapes of a Llama checkpoint of two blocks, with changes. */
function checkpoint({ settings = SETTINGS, rename = (name) => name, extra = {}, drop, metadata }: Change = {}): Model {
  const shapes: Record<string, readonly number[]> = { 'model.embed_tokens.weight': [50, WIDTH] };
  for (const block of [0, 1]) {
    const own = `model.layers.${block}`;
    shapes[`${own}.input_layernorm.weight`] = [WIDTH];
    shapes[`${own}.self_attn.q_proj.weight`] = [HEADS * D, WIDTH];
    shapes[`${own}.self_attn.k_proj.weight`] = [KEYS * D, WIDTH];
    shapes[`${own}.self_attn.v_proj.weight`] = [KEYS * D, WIDTH];
    shapes[`${own}.self_attn.o_proj.weight`] = [WIDTH, HEADS * D];
    shapes[`${own}.post_attention_layernorm.weight`] = [WIDTH];
    shapes[`${own}.mlp.gate_proj.weight`] = [INNER, WIDTH];
    shapes[`${own}.mlp.up_proj.weight`] = [INNER, WIDTH];
    shapes[`${own}.mlp.down_proj.weight`] = [WIDTH, INNER];
  }
  shapes['model.norm.weight'] = [WIDTH];
  shapes['lm_head.weight'] = [50, WIDTH];
  const numbers = seededNumbers(5);
  const tensors = Object.entries({ ...shapes, ...extra })
    .filter(([name]) => name !== drop)
    .map(([name, shape]) => {
      const count = shape.reduce((a, b) => a * b, 1);
      return memoryTensor(
        rename(name),
        shape,
        Array.from({ length: count }, () => numbers.normal()),
      );
    });
  const model = memoryModel(tensors);
  const text = settings === null ? null : JSON.stringify(settings);
  if (metadata === undefined) return { ...model, readSettings: () => text };
  return { ...model, format: 'gguf', metadata: new Map(Object.entries(metadata)) };
}

function describeAxes(model: Model, name: string): string {
  const { layers } = toTopology(model);
  const layer = layers.find((item) => item.name === name)!;
  const show = (side: 'out' | 'in'): string => {
    const axis = layer[side];
    return axis === null
      ? '?'
      : `${axis.segments.map(({ space, channels }) => `${space}:${channels}`).join('+')}x${axis.inner}`;
  };
  return `${layer.kind} ${show('out')} ${show('in')}`;
}

const frozen = (model: Model): number[] =>
  toTopology(model).spaces.flatMap(({ isPermutable }, space) => (isPermutable ? [] : [space]));

describe('the channels of a checkpoint', () => {
  test('one residual stream, hidden units and key heads with their query heads for each block', () => {
    const model = checkpoint();
    const { spaces, vectors, layers } = toTopology(model);
    expect(spaces).toEqual([
      { channels: WIDTH, isPermutable: true },
      { channels: INNER, isPermutable: true },
      { channels: KEYS, isPermutable: true },
      { channels: INNER, isPermutable: true },
      { channels: KEYS, isPermutable: true },
    ]);
    const own = (part: string): string => describeAxes(model, `model.layers.1.${part}.weight`);
    expect(describeAxes(model, 'model.embed_tokens.weight')).toBe('embedding 0:24x1 -1:50x1');
    expect(describeAxes(model, 'lm_head.weight')).toBe('dense -1:50x1 0:24x1');
    expect([
      own('self_attn.q_proj'),
      own('self_attn.k_proj'),
      own('self_attn.v_proj'),
      own('self_attn.o_proj'),
    ]).toEqual(['dense 4:2x12 0:24x1', 'dense 4:2x6 0:24x1', 'dense 4:2x6 0:24x1', 'dense 0:24x1 4:2x12']);
    expect([own('mlp.gate_proj'), own('mlp.up_proj'), own('mlp.down_proj')]).toEqual([
      'dense 3:40x1 0:24x1',
      'dense 3:40x1 0:24x1',
      'dense 0:24x1 3:40x1',
    ]);
    expect(vectors.map(({ name, role }) => [name, role])).toHaveLength(5);
    expect(layers.filter(({ isOutput }) => isOutput).map(({ name }) => name)).toEqual(['lm_head.weight']);
    expect(findTopologyFault(toTopology(model))).toBeUndefined();
  });

  test('where nothing else makes the logits, the token table does: it is an output', () => {
    const outputs = (model: Model): string[] =>
      toTopology(model).layers.flatMap(({ name, isOutput }) => (isOutput ? [name] : []));
    expect(outputs(checkpoint({ drop: 'lm_head.weight' }))).toEqual(['model.embed_tokens.weight']);
    expect(outputs(checkpoint())).toEqual(['lm_head.weight']);
  });

  test('biases follow their rows; norms of heads have no channels, norms of all heads follow them', () => {
    const own = 'model.layers.0.self_attn';
    const { vectors } = toTopology(
      checkpoint({
        extra: {
          [`${own}.q_proj.bias`]: [HEADS * D],
          [`${own}.k_norm.weight`]: [D],
          'model.layers.1.self_attn.k_norm.weight': [KEYS * D],
          'model.layers.0.mlp.down_proj.bias': [WIDTH],
        },
      }),
    );
    const find = (name: string) => vectors.find((vector) => vector.name === name)?.channels;
    expect(find(`${own}.q_proj.bias`)).toEqual({ axis: 0, segments: [{ space: 2, channels: KEYS }], inner: 2 * D });
    expect(find(`${own}.k_norm.weight`)).toBeUndefined();
    expect(find('model.layers.1.self_attn.k_norm.weight')).toMatchObject({ segments: [{ space: 4 }], inner: D });
    expect(find('model.layers.0.mlp.down_proj.bias')).toMatchObject({ segments: [{ space: 0 }], inner: 1 });
  });

  test('gate and up in one tensor, queries, keys and values in one tensor: each part follows the same channels', () => {
    const own = 'model.layers.0';
    const only = (name: string): boolean => /layers\.0\.(mlp\.(gate|up)|self_attn\.[qkv])_proj/.test(name);
    const model = checkpoint({
      settings: { ...SETTINGS, model_type: 'phi3', num_key_value_heads: 4 },
      rename: (name) => (only(name) ? `unused.${name}` : name),
      extra: {
        [`${own}.mlp.gate_up_proj.weight`]: [2 * INNER, WIDTH],
        [`${own}.self_attn.qkv_proj.weight`]: [3 * HEADS * D, WIDTH],
      },
    });
    expect(describeAxes(model, `${own}.mlp.gate_up_proj.weight`)).toBe('dense 1:40+1:40x1 0:24x1');
    expect(describeAxes(model, `${own}.self_attn.qkv_proj.weight`)).toBe('dense 2:4+2:4+2:4x6 0:24x1');
    expect(describeAxes(model, `${own}.self_attn.o_proj.weight`)).toBe('dense 0:24x1 2:4x6');
  });

  test.each([
    ['no settings', null],
    ['settings that are no JSON object', []],
    ['a family that is not known', { ...SETTINGS, model_type: 'mystery' }],
    ['heads that do not divide the rows', { ...SETTINGS, num_attention_heads: 10, num_key_value_heads: 5 }],
    ['query heads that are no multiple of the key heads', { ...SETTINGS, num_key_value_heads: 3 }],
    ['a negative number', { ...SETTINGS, num_attention_heads: -4 }],
  ])('%s: heads stay where they are, everything else moves', (_, settings) => {
    const model = checkpoint({ settings });
    expect(describeAxes(model, 'model.layers.0.self_attn.q_proj.weight')).toBe('dense -1:24x1 0:24x1');
    expect(frozen(model)).toEqual([]);
    expect(toTopology(model).spaces).toHaveLength(3);
  });

  test('with one key head, the query heads are the channels', () => {
    const own = 'model.layers.0.self_attn';
    const shared = { ...SETTINGS, num_attention_heads: 2, num_key_value_heads: 1 };
    const model = checkpoint({ settings: shared });
    // 24 query rows in 2 heads of 12, one key head of 12.
    expect(describeAxes(model, `${own}.q_proj.weight`)).toBe('dense 2:2x12 0:24x1');
    expect(describeAxes(model, `${own}.k_proj.weight`)).toBe('dense -1:12x1 0:24x1');
    expect(describeAxes(model, `${own}.o_proj.weight`)).toBe('dense 0:24x1 2:2x12');
  });

  test('a tensor that is not understood freezes its block and the stream; one outside the blocks the stream', () => {
    expect(frozen(checkpoint({ extra: { 'model.layers.1.self_attn.sinks': [4] } }))).toEqual([0, 3, 4]);
    expect(frozen(checkpoint({ extra: { 'blk.1.attn_sinks.weight': [4] } }))).toEqual([0, 3, 4]);
    expect(frozen(checkpoint({ extra: { 'visual.merger.weight': [WIDTH, 8] } }))).toEqual([0]);
    expect(frozen(checkpoint({ extra: { 'visual.blocks.9.norm1.weight': [WIDTH] } }))).toEqual([0]);
  });

  test.each([
    ['a missing projection', { drop: 'model.layers.1.mlp.down_proj.weight' }],
    ['a shape that does not fit', { extra: { 'model.layers.0.mlp.up_proj.weight': [INNER + 1, WIDTH] } }],
    ['other names', { rename: (name: string) => `x.${name}` }],
  ])('%s: no channels are known at all', (_, change) => {
    const { layers, spaces, vectors } = toTopology(checkpoint(change));
    expect(layers.every(({ kind }) => kind === 'plain')).toBe(true);
    expect([...spaces, ...vectors]).toEqual([]);
  });

  test('GGUF says the number of heads itself, for all blocks or for each', () => {
    const rename = (name: string): string =>
      name
        .replace(/^model\.layers\.(\d)\./, 'blk.$1.')
        .replace('self_attn.o_proj', 'attn_output')
        .replace(/self_attn\.([qkv])_proj/, 'attn_$1')
        .replace(/mlp\.(gate|up|down)_proj/, 'ffn_$1')
        .replace('input_layernorm', 'attn_norm')
        .replace('post_attention_layernorm', 'ffn_norm')
        .replace('model.embed_tokens', 'token_embd')
        .replace('model.norm', 'output_norm')
        .replace('lm_head', 'output');
    const metadata = { 'general.architecture': 'llama', 'llama.attention.head_count': '4' };
    const model = checkpoint({ rename, metadata: { ...metadata, 'llama.attention.head_count_kv': '[2, 2]' } });
    expect(describeAxes(model, 'blk.1.attn_q.weight')).toBe('dense 4:2x12 0:24x1');
    expect(describeAxes(checkpoint({ rename, metadata }), 'blk.1.attn_q.weight')).toBe('dense -1:24x1 0:24x1');
    expect(toTopology(model).vectors).toHaveLength(5);
  });
});
