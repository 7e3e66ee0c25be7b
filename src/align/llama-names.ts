/** What llama.cpp's converter calls the tensors of a published checkpoint, so that either is found under the other's names. */

/** Parts of a checkpoint's names behind the block, by the part that llama.cpp gives them. `.weight` and `.bias` stay. */
const BLOCK_PARTS: Readonly<Record<string, readonly string[]>> = {
  attn_q: ['self_attn.q_proj', 'attention.self.query'],
  attn_k: ['self_attn.k_proj', 'attention.self.key'],
  attn_v: ['self_attn.v_proj', 'attention.self.value'],
  attn_qkv: ['self_attn.qkv_proj', 'attn.c_attn', 'attention.query_key_value', 'self_attention.query_key_value'],
  attn_output: [
    ...['self_attn.o_proj', 'self_attn.dense', 'attn.c_proj', 'attention.dense', 'self_attention.dense'],
    'attention.output.dense',
  ],
  attn_norm: ['input_layernorm', 'ln_1'],
  ffn_gate: ['mlp.gate_proj'],
  ffn_up: ['mlp.up_proj', 'mlp.gate_up_proj', 'mlp.c_fc', 'mlp.dense_h_to_4h', 'mlp.fc1', 'intermediate.dense'],
  ffn_down: ['mlp.down_proj', 'mlp.c_proj', 'mlp.dense_4h_to_h', 'mlp.fc2', 'output.dense'],
};

const WHOLE_NAMES: Readonly<Record<string, readonly string[]>> = {
  token_embd: [...['embed_tokens', 'wte', 'embed_in', 'word_embeddings', 'embeddings.word_embeddings']],
  output: ['lm_head', 'embed_out'],
};

function turnRound(table: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(table).flatMap(([common, names]) => names.map((name) => [name, common] as const)));
}

const PART_OF = turnRound(BLOCK_PARTS);
const WHOLE_OF = turnRound(WHOLE_NAMES);

/** Wrappers around the decoder or encoder. */
const PREFIX = /^(?:(?:model|transformer|gpt_neox|bert|language_model)\.)*/;
const BLOCK = /^(?:encoder\.)?(?:layers?|h)\.(\d{1,5})\.(.+)\.(weight|bias)$/;
const COMMON = /^(?:blk\.\d{1,5}\.[a-z_]+|token_embd|output)\.(?:weight|bias)$/;

/**
 * The name that llama.cpp's converter gives to a tensor of a checkpoint; its own names are returned as they are, and
 * null for a name that is neither.
 * @see `gguf-py/gguf/tensor_mapping.py` in llama.cpp
 */
export function findLlamaName(name: string): string | null {
  if (COMMON.test(name)) return name;
  const own = name.replace(PREFIX, '');
  const block = BLOCK.exec(own);
  if (block !== null) {
    const part = PART_OF.get(block[2]);
    return part === undefined ? null : `blk.${Number(block[1])}.${part}.${block[3]}`;
  }
  const cut = own.lastIndexOf('.');
  const whole = WHOLE_OF.get(own.slice(0, cut));
  return whole === undefined ? null : `${whole}${own.slice(cut)}`;
}

/** Whether the name is that of the layer that makes the logits. */
export function isOutputName(name: string): boolean {
  return findLlamaName(name) === 'output.weight';
}

/** Whether the name is one that llama.cpp gives. */
export function isLlamaName(name: string): boolean {
  return COMMON.test(name);
}
