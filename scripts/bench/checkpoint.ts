/** Generated checkpoints of the Llama kind: seeded random weights in bfloat16, in shards, with index and settings. */
import { closeSync, fsyncSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface CheckpointShape {
  readonly width: number;
  readonly inner: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headWidth: number;
  readonly blocks: number;
  readonly tokens: number;
}

/** 1.10 billion weights, 2.2 GB. */
export const BILLION: CheckpointShape = {
  ...{ width: 2048, inner: 5632, heads: 32, keyHeads: 4, headWidth: 64, blocks: 22, tokens: 32_000 },
};
/** 4.15 billion weights, 8.3 GB. */
export const FOUR_BILLION: CheckpointShape = {
  ...{ width: 4096, inner: 11_008, heads: 32, keyHeads: 8, headWidth: 128, blocks: 22, tokens: 32_000 },
};

export const INDEX_NAME = 'model.safetensors.index.json';

interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Tensors in the order of a published checkpoint, cut into shards by blocks. */
function listShards(shape: CheckpointShape): Entry[][] {
  const { width, inner, heads, keyHeads, headWidth, blocks, tokens } = shape;
  const [queries, keys] = [heads * headWidth, keyHeads * headWidth];
  const perShard = 8;
  const all: Entry[][] = [[{ name: 'model.embed_tokens.weight', shape: [tokens, width] }]];
  for (let block = 0; block < blocks; block++) {
    const own = `model.layers.${block}`;
    if (block > 0 && block % perShard === 0) all.push([]);
    all[all.length - 1].push(
      { name: `${own}.input_layernorm.weight`, shape: [width] },
      { name: `${own}.mlp.down_proj.weight`, shape: [width, inner] },
      { name: `${own}.mlp.gate_proj.weight`, shape: [inner, width] },
      { name: `${own}.mlp.up_proj.weight`, shape: [inner, width] },
      { name: `${own}.post_attention_layernorm.weight`, shape: [width] },
      { name: `${own}.self_attn.k_proj.weight`, shape: [keys, width] },
      { name: `${own}.self_attn.o_proj.weight`, shape: [width, queries] },
      { name: `${own}.self_attn.q_proj.weight`, shape: [queries, width] },
      { name: `${own}.self_attn.v_proj.weight`, shape: [keys, width] },
    );
  }
  all[all.length - 1].push(
    { name: 'lm_head.weight', shape: [tokens, width] },
    { name: 'model.norm.weight', shape: [width] },
  );
  return all;
}

const count = ({ shape }: Entry): number => shape.reduce((product, dim) => product * dim, 1);

/** Values of the table that weights are drawn from, and of a piece that is written at once. */
const PIECE = 2 ** 20;

/** A table of bfloat16 numbers, Gaussian with deviation 0.02 as published initialisations have it. */
function createTable(): Uint16Array {
  let state = 0x9e3779b9;
  const uniform = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  const values = Float32Array.from({ length: PIECE }, () => {
    return 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  });
  return Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
}

/** Writes the files into `folder` (which exists); the same bytes for the same shape. */
export function writeCheckpoint(folder: string, shape: CheckpointShape): void {
  const shards = listShards(shape);
  const table = createTable();
  const shardName = (at: number): string =>
    `model-${String(at + 1).padStart(5, '0')}-of-${String(shards.length).padStart(5, '0')}.safetensors`;
  const weightMap = Object.fromEntries(shards.flatMap((own, at) => own.map(({ name }) => [name, shardName(at)])));
  const total = shards.flat().reduce((sum, entry) => sum + 2 * count(entry), 0);
  writeFileSync(join(folder, INDEX_NAME), JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }));
  const { width, inner, heads, keyHeads, headWidth, blocks, tokens } = shape;
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({
      ...{ model_type: 'llama', hidden_size: width, intermediate_size: inner, num_attention_heads: heads },
      ...{ num_key_value_heads: keyHeads, head_dim: headWidth, num_hidden_layers: blocks, vocab_size: tokens },
    }),
  );
  shards.forEach((own, at) => {
    writeShard(join(folder, shardName(at)), own, table);
  });
}

function writeShard(path: string, entries: readonly Entry[], table: Uint16Array): void {
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  for (const entry of entries) {
    const end = offset + 2 * count(entry);
    header[entry.name] = { dtype: 'BF16', shape: entry.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(header);
  const padded = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const fd = openSync(path, 'wx');
  writeSync(fd, Buffer.concat([length, padded]));
  for (const entry of entries) writeTensor(fd, entry, table);
  // Else the first run would pay for writing the input out.
  fsyncSync(fd);
  closeSync(fd);
}

function writeTensor(fd: number, entry: Entry, table: Uint16Array): void {
  let state = Buffer.from(entry.name).reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 1, 7);
  const isNorm = entry.shape.length === 1;
  const piece = new Uint16Array(PIECE);
  for (let left = count(entry); left > 0; left -= PIECE) {
    const part = piece.subarray(0, Math.min(PIECE, left));
    for (let i = 0; i < part.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      // 1.0 in bfloat16.
      part[i] = isNorm ? 0x3f80 : table[state & (PIECE - 1)];
    }
    writeSync(fd, part);
  }
}
