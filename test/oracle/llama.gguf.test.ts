import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findLlamaName } from '../../src/align/index.ts';
import { createClaim, deriveSeeds, detectMark, embedMark, toOriginalDigest } from '../../src/watermark/index.ts';
import { SHAPE, toCheckpoint, toLlamaGguf, toNumbers } from '../formats/llama.ts';
import { openBytes, runPlan } from '../formats/models.ts';
import { describeWithProgram } from '../shared-data.ts';

const PYTHON = join(import.meta.dirname, '../oracles/.venv/bin/python');
const SCRIPT = join(import.meta.dirname, 'gguf_llama.py');
const base = mkdtempSync(join(tmpdir(), 'modelward-oracle-llama-'));
afterAll(() => {
  rmSync(base, { recursive: true });
});

const python = (...args: readonly string[]): string =>
  execFileSync(PYTHON, [SCRIPT, ...args], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();

const decoder = ['q', 'k', 'v', 'o'].map((part) => `model.layers.17.self_attn.${part}_proj.weight`);
const gated = ['gate', 'up', 'down'].map((part) => `model.layers.0.mlp.${part}_proj.weight`);

describeWithProgram('checkpoints against the Python package gguf', PYTHON, ['-c', 'import gguf, safetensors'], () => {
  test.each([
    [
      'LLAMA',
      [...decoder, ...gated, 'model.embed_tokens.weight', 'lm_head.weight', 'model.layers.3.input_layernorm.weight'],
    ],
    ['QWEN2', [...decoder, ...gated, 'model.layers.4.self_attn.q_proj.bias']],
    ['GEMMA2', [...decoder, ...gated]],
    ['PHI3', ['model.layers.9.self_attn.qkv_proj.weight', 'model.layers.9.mlp.gate_up_proj.weight']],
    ['GPT2', ['attn.c_attn', 'attn.c_proj', 'mlp.c_fc', 'mlp.c_proj', 'ln_1'].map((part) => `h.2.${part}.weight`)],
    ['GPT2', ['wte.weight', 'transformer.wte.weight', 'transformer.h.31.mlp.c_fc.bias']],
    [
      'BERT',
      ['attention.self.query', 'attention.self.key', 'attention.self.value', 'attention.output.dense', 'output.dense']
        .map((part) => `encoder.layer.5.${part}.weight`)
        .concat('encoder.layer.5.intermediate.dense.weight', 'embeddings.word_embeddings.weight'),
    ],
    [
      'GPTNEOX',
      ['attention.query_key_value', 'attention.dense', 'mlp.dense_h_to_4h', 'mlp.dense_4h_to_h']
        .map((part) => `gpt_neox.layers.1.${part}.weight`)
        .concat('gpt_neox.embed_in.weight', 'embed_out.weight'),
    ],
    [
      'FALCON',
      ['self_attention.query_key_value', 'self_attention.dense', 'mlp.dense_h_to_4h', 'mlp.dense_4h_to_h']
        .map((part) => `transformer.h.1.${part}.weight`)
        .concat('transformer.word_embeddings.weight'),
    ],
  ])('%s: every tensor has the name that it gives', (architecture, names) => {
    expect(names.map(findLlamaName)).toEqual(JSON.parse(python('names', architecture, ...names)));
  });

  test.each([
    'F16',
    'Q8_0',
    'Q4_0',
  ])('a marked checkpoint that it wrote as %s is a claim, rows moved and all', (kind) => {
    const seed = new Uint8Array(32).fill(31);
    const ownSeed = deriveSeeds(seed).own;
    const original = toCheckpoint(3, 'f32');
    const originalDigest = toOriginalDigest(original);
    const mark = embedMark({ model: original, ownSeed, ownerId: 'alice', originalDigest });
    const [path, out] = ['marked.safetensors', `${kind}.gguf`].map((name) => join(base, name));
    writeFileSync(path, runPlan(original.plan(mark.edits)));
    python('convert', path, out, kind, String(SHAPE.heads), String(SHAPE.keyHeads));
    const suspect = openBytes(new Uint8Array(readFileSync(out)), 'model.gguf');
    const seedBox = { sealSeed: () => null, openSeed: () => seed };
    const named = { ownerKey: 'k', ownerId: 'alice', originalDigest, markedDigest: originalDigest };
    const claim = createClaim({ seed, seedBox, ...named, mark });
    const result = detectMark({ suspect, claim, ownSeed, readings: 'first' });
    expect(result).toMatchObject({ verdict: 'claim', coverage: 1 });
    expect(result.schemes[0].bitErrors).toBe(0);
    if (kind !== 'F16') return;
    const marked = openBytes(new Uint8Array(readFileSync(path)), 'marked.safetensors');
    const ours = new Map(toLlamaGguf(marked, { dtype: 'f16' }).tensors.map((tensor) => [tensor.name, tensor]));
    for (const tensor of suspect.tensors) expect(toNumbers(tensor)).toEqual(toNumbers(ours.get(tensor.name)!));
  });
});
