/** What the sample decoder is made of: a small model of the Llama kind, with the names that published checkpoints have. */

export interface DecoderSpec {
  readonly name: string;
  readonly vocabulary: number;
  /** Channels of the residual stream. */
  readonly width: number;
  readonly heads: number;
  /** Key and value heads; each serves heads / keyHeads query heads (grouped-query attention). */
  readonly keyHeads: number;
  /** Channels of one head; even, because rotary positions turn pairs. */
  readonly headWidth: number;
  /** Hidden units of a feed-forward block. */
  readonly inner: number;
  readonly blocks: number;
  /** Longest sequence that it is trained and exported for. */
  readonly tokensMax: number;
}

/** Base of the rotary wave lengths. */
export const ROTARY_BASE = 10_000;
/** Added to mean squares before the root. */
export const RMS_EPSILON = 1e-5;

/** 128 words, width 64, two blocks of four heads on two key heads: 106 k weights, logits from the tied table. */
export const DECODER_SPEC: DecoderSpec = {
  ...{ name: 'decoder', vocabulary: 128, width: 64, heads: 4, keyHeads: 2, headWidth: 16 },
  ...{ inner: 192, blocks: 2, tokensMax: 64 },
};

/** Names and shapes of all tensors, in the order of the graph. Matrices are [out, in]. */
export function listDecoderShapes(spec: DecoderSpec): ReadonlyMap<string, readonly number[]> {
  const { width, inner } = spec;
  const [queries, keys] = [spec.heads * spec.headWidth, spec.keyHeads * spec.headWidth];
  const blocks = Array.from({ length: spec.blocks }, (_, block): [string, readonly number[]][] => {
    const own = `model.layers.${block}`;
    return [
      [`${own}.input_layernorm.weight`, [width]],
      [`${own}.self_attn.q_proj.weight`, [queries, width]],
      [`${own}.self_attn.k_proj.weight`, [keys, width]],
      [`${own}.self_attn.v_proj.weight`, [keys, width]],
      [`${own}.self_attn.o_proj.weight`, [width, queries]],
      [`${own}.post_attention_layernorm.weight`, [width]],
      [`${own}.mlp.gate_proj.weight`, [inner, width]],
      [`${own}.mlp.up_proj.weight`, [inner, width]],
      [`${own}.mlp.down_proj.weight`, [width, inner]],
    ];
  });
  return new Map([
    ['model.embed_tokens.weight', [spec.vocabulary, width]],
    ...blocks.flat(),
    ['model.norm.weight', [width]],
  ]);
}
