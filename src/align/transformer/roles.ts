/** What each tensor of a language model's checkpoint is for, by its name (docs/spec/transformer-topology.md §2). */
import { findLlamaName } from '../llama-names.ts';

/** Tensors that are in every block, and those that are there once. */
export type Role =
  | 'query'
  | 'key'
  | 'value'
  | 'query-key-value'
  | 'attention-output'
  | 'gate'
  | 'up'
  | 'down'
  /** Normalises the residual stream. */
  | 'stream-norm'
  /** Normalises queries or keys, with one weight per entry of a head or of all heads. */
  | 'query-norm'
  | 'key-norm'
  | 'tokens'
  | 'positions'
  | 'logits'
  /** Buffers that follow from the settings. */
  | 'ignored'
  | 'unknown';

export interface Part {
  readonly role: Role;
  /** Null for what is there once. */
  readonly block: number | null;
  readonly isBias: boolean;
}

const BLOCK_ROLES: Readonly<Record<string, Role | undefined>> = Object.assign(
  Object.create(null) as Record<string, Role>,
  {
    attn_q: 'query',
    attn_k: 'key',
    attn_v: 'value',
    attn_qkv: 'query-key-value',
    attn_output: 'attention-output',
    ffn_gate: 'gate',
    ffn_up: 'up',
    ffn_down: 'down',
    attn_norm: 'stream-norm',
    ffn_norm: 'stream-norm',
    post_attention_norm: 'stream-norm',
    post_ffw_norm: 'stream-norm',
    attn_q_norm: 'query-norm',
    attn_k_norm: 'key-norm',
  } satisfies Record<string, Role>,
);
const LLAMA_BLOCK = /^blk\.(\d{1,5})\.([a-z_]+)\.(weight|bias)$/;
/** Names of a checkpoint that llama.cpp's differ for from family to family, or has none for. */
const CHECKPOINT_BLOCK =
  /^(?:(?:model|language_model)\.)*layers\.(\d{1,5})\.(?:(?:input|post_attention|pre_feedforward|post_feedforward)_layernorm|self_attn\.(q|k)_(?:layer)?norm|self_attn\.rotary_emb\.inv_freq)(?:\.(weight|bias))?$/;
const CHECKPOINT_NORM =
  /^(?:(?:model|language_model)\.)*(?:norm|final_layernorm|embed_tokens_layernorm)\.(weight|bias)$/;
const CHECKPOINT_BUFFER = /^(?:(?:model|language_model)\.)*rotary_emb\.inv_freq$/;

/** The part of a tensor; `unknown` when its name says nothing that is understood. */
export function toPart(name: string): Part {
  return findCheckpointPart(name) ?? findLlamaPart(findLlamaName(name) ?? name) ?? toUnknown(name);
}

/** Whatever it is, it belongs to the block that its name says. */
function toUnknown(name: string): Part {
  const block = /(?:^|\.)(?:layers|blk|blocks|h)\.(\d{1,5})\./.exec(name)?.[1];
  return { role: 'unknown', block: block === undefined ? null : Number(block), isBias: false };
}

function findCheckpointPart(name: string): Part | undefined {
  if (CHECKPOINT_BUFFER.test(name)) return { role: 'ignored', block: null, isBias: false };
  const norm = CHECKPOINT_NORM.exec(name);
  if (norm !== null) return { role: 'stream-norm', block: null, isBias: norm[1] === 'bias' };
  const block = CHECKPOINT_BLOCK.exec(name);
  if (block === null) return undefined;
  const role = block[2] === 'q' ? 'query-norm' : block[2] === 'k' ? 'key-norm' : 'stream-norm';
  const isBuffer = name.endsWith('inv_freq');
  return { role: isBuffer ? 'ignored' : role, block: Number(block[1]), isBias: name.endsWith('bias') };
}

function findLlamaPart(name: string): Part | undefined {
  const block = LLAMA_BLOCK.exec(name);
  if (block !== null) {
    const role = BLOCK_ROLES[block[2]] ?? 'unknown';
    return { role, block: Number(block[1]), isBias: block[3] === 'bias' };
  }
  switch (name) {
    case 'token_embd.weight':
      return { role: 'tokens', block: null, isBias: false };
    case 'position_embd.weight':
      return { role: 'positions', block: null, isBias: false };
    case 'output.weight':
    case 'output.bias':
      return { role: 'logits', block: null, isBias: name === 'output.bias' };
    case 'output_norm.weight':
    case 'output_norm.bias':
      return { role: 'stream-norm', block: null, isBias: name === 'output_norm.bias' };
    case 'rope_freqs.weight':
    case 'rope_factors_long.weight':
    case 'rope_factors_short.weight':
      return { role: 'ignored', block: null, isBias: false };
    default:
      return undefined;
  }
}
