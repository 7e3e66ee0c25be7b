/** A small Llama-shaped checkpoint with drawn weights, and what llama.cpp's converter makes of one, and back. */
import { toRotaryRows, toSafetensors } from '../../src/formats/index.ts';
import { GGUF_DTYPES } from '../../src/formats/gguf/dtypes.ts';
import { decodeBlocks } from '../../src/model/blocks.ts';
import { type DType, isBlockDType } from '../../src/model/dtype.ts';
import { decodeFloats, encodeFloats, type FloatDType } from '../../src/model/floats.ts';
import type { Model, TensorRef } from '../../src/model/types.ts';
import { type MemoryTensor, memoryModel, memoryTensor, seededNumbers } from '../fakes/memory-model.ts';
import { entry, gguf, stringEntry, TYPE, u32 } from './gguf.ts';
import { openBytes, runPlan } from './models.ts';
import { toBlocks } from './quantise.ts';

export const SHAPE = { width: 256, heads: 4, keyHeads: 2, headRows: 64, inner: 512, tokens: 320, blocks: 1 } as const;

/** Names as Hugging Face's Llama has them, in the order of a safetensors file: by the alphabet. */
export function toCheckpoint(seed = 1, dtype: DType = 'bf16'): Model {
  const { width, heads, keyHeads, headRows, inner, tokens, blocks } = SHAPE;
  const numbers = seededNumbers(seed);
  const tensors: MemoryTensor[] = [];
  const draw = (name: string, ...shape: readonly number[]): void => {
    const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
      shape.length === 1 ? 1 + 0.05 * numbers.normal() : 0.04 * numbers.normal(),
    );
    tensors.push(memoryTensor(name, shape, values, shape.length === 1 ? 'f32' : dtype));
  };
  draw('model.embed_tokens.weight', tokens, width);
  for (let block = 0; block < blocks; block++) {
    const own = `model.layers.${block}`;
    draw(`${own}.input_layernorm.weight`, width);
    draw(`${own}.mlp.down_proj.weight`, width, inner);
    draw(`${own}.mlp.gate_proj.weight`, inner, width);
    draw(`${own}.mlp.up_proj.weight`, inner, width);
    draw(`${own}.post_attention_layernorm.weight`, width);
    draw(`${own}.self_attn.k_proj.weight`, keyHeads * headRows, width);
    draw(`${own}.self_attn.o_proj.weight`, width, heads * headRows);
    draw(`${own}.self_attn.q_proj.weight`, heads * headRows, width);
    draw(`${own}.self_attn.v_proj.weight`, keyHeads * headRows, width);
  }
  draw('model.norm.weight', width);
  return toFile(memoryModel(tensors));
}

const toFile = (model: Model): Model =>
  openBytes(runPlan(toSafetensors(model, 'model.safetensors').plan), 'model.safetensors');

/** The converter's names, one by one. */
const NAMES: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.down_proj': 'ffn_down',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'self_attn.k_proj': 'attn_k',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_proj': 'attn_q',
  'self_attn.v_proj': 'attn_v',
};

function toConvertedName(name: string): string {
  const own = name.replace(/\.weight$/, '');
  const block = /^model\.layers\.(\d+)\.(.*)$/.exec(own);
  return block === null ? `${NAMES[own]}.weight` : `blk.${block[1]}.${NAMES[block[2]]}.weight`;
}

export function toNumbers(tensor: TensorRef): Float64Array {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const values = new Float64Array(tensor.elementCount);
  if (isBlockDType(tensor.dtype)) decodeBlocks(tensor.dtype, bytes, values);
  else decodeFloats(tensor.dtype as FloatDType, bytes, values);
  return values;
}

/** Rows moved as the converter moves them, or back; `null` heads leave them. */
function moveRows(values: Float64Array, columns: number, heads: number | null, isBack = false): Float64Array {
  if (heads === null) return values;
  const moved = new Float64Array(values.length);
  const rows = toRotaryRows(values.length / columns, heads);
  rows.forEach((there, here) => {
    const [from, to] = isBack ? [there, here] : [here, there];
    moved.set(values.subarray(from * columns, (from + 1) * columns), to * columns);
  });
  return moved;
}

interface HeadCounts {
  readonly heads: number;
  readonly keyHeads: number;
}

function toHeads(name: string, isMoved: boolean, counts: HeadCounts = SHAPE): number | null {
  if (!isMoved) return null;
  if (/attn_q|q_proj/.test(name)) return counts.heads;
  return /attn_k|k_proj/.test(name) ? counts.keyHeads : null;
}

export interface ConvertOptions {
  /** Of matrices; norms are f32, as the converter has it. */
  readonly dtype: DType;
  readonly architecture?: string;
  /** Whether the converter of the architecture moves rows; yes unless told. */
  readonly isMoved?: boolean;
  /** Without the numbers of heads. */
  readonly isBare?: boolean;
  /** Of another checkpoint than {@link toCheckpoint}'s. */
  readonly counts?: HeadCounts;
}

/** What the converter makes of a checkpoint. */
export function toLlamaGguf(model: Model, options: ConvertOptions): Model {
  const { dtype, architecture = 'llama', isMoved = true, isBare = false, counts = SHAPE } = options;
  const tensors = model.tensors.map((tensor) => {
    const values = moveRows(toNumbers(tensor), tensor.shape[1] ?? 1, toHeads(tensor.name, isMoved, counts));
    const own = tensor.shape.length === 1 ? 'f32' : dtype;
    const type = [...GGUF_DTYPES].find(([, name]) => name === own)![0];
    const plain = new Uint8Array(values.length * (own === 'f32' ? 4 : 2));
    if (!isBlockDType(own)) encodeFloats(own as FloatDType, values, plain);
    const data = isBlockDType(own) ? toBlocks(own, values) : plain;
    return { name: toConvertedName(tensor.name), dims: tensor.shape.toReversed(), type, data };
  });
  const heads = [
    entry(`${architecture}.attention.head_count`, TYPE.u32, u32(counts.heads)),
    entry(`${architecture}.attention.head_count_kv`, TYPE.u32, u32(counts.keyHeads)),
  ];
  const entries = [stringEntry('general.architecture', architecture), ...(isBare ? [] : heads)];
  return openBytes(gguf({ entries, tensors }), 'model.gguf');
}

/** A GGUF of the converter as a checkpoint again: names, rows, bf16. */
export function toCheckpointAgain(model: Model): Model {
  const back = new Map(toCheckpoint().tensors.map(({ name }) => [toConvertedName(name), name]));
  const tensors = model.tensors.map((tensor) => {
    const values = moveRows(toNumbers(tensor), tensor.shape[1] ?? 1, toHeads(tensor.name, true), true);
    return memoryTensor(back.get(tensor.name)!, tensor.shape, values, tensor.shape.length === 1 ? 'f32' : 'bf16');
  });
  return toFile(memoryModel(tensors.sort((a, b) => (a.name < b.name ? -1 : 1))));
}

/** The numbers of a converted file's tensors, by the names and in the row order of the checkpoint that has `names`. */
export function toCheckpointNumbers(
  model: Model,
  names: Iterable<string>,
  counts: HeadCounts,
): Map<string, Float32Array> {
  const tensors = new Map(model.tensors.map((tensor) => [tensor.name, tensor]));
  return new Map(
    [...names].map((name) => {
      const tensor = tensors.get(toConvertedName(name))!;
      const values = moveRows(toNumbers(tensor), tensor.shape[1] ?? 1, toHeads(name, true, counts), true);
      return [name, Float32Array.from(values)];
    }),
  );
}
