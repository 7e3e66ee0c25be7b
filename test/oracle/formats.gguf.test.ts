import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { toGguf } from '../../src/formats/convert-gguf.ts';
import { GGUF_DTYPES } from '../../src/formats/gguf/dtypes.ts';
import { openModelPath } from '../../src/formats/registry.ts';
import { decodeBlocks, isDecodableBlock } from '../../src/model/blocks.ts';
import { DTYPES } from '../../src/model/dtype.ts';
import { decodeFloats } from '../../src/model/floats.ts';
import type { Model, TensorRef } from '../../src/model/types.ts';
import { deriveSeeds, embedMark, toOriginalDigest } from '../../src/watermark/index.ts';
import { findCode, openBytes, runPlan } from '../formats/models.ts';
import { mutateGguf } from '../formats/mutate-gguf.ts';
import { toQuantisedGguf } from '../formats/quantise-gguf.ts';
import { toRng } from '../formats/random.ts';
import { describeWithProgram } from '../shared-data.ts';

const PYTHON = join(import.meta.dirname, '../oracles/.venv/bin/python');
const SCRIPT = join(import.meta.dirname, 'gguf_tensors.py');
const samples = resolve(import.meta.dirname, '../../samples');

type Row = [name: string, dtype: string, shape: readonly number[], bytes: string, values: string | null];
interface Reading {
  readonly tensors: Row[];
  readonly fields: Record<string, string | number>;
}

const base = mkdtempSync(join(tmpdir(), 'modelward-oracle-gguf-'));
afterAll(() => {
  rmSync(base, { recursive: true });
});

const python = (...args: readonly string[]): string =>
  execFileSync(PYTHON, [SCRIPT, ...args], { maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'ignore'] }).toString();

function ask(files: ReadonlyMap<string, Uint8Array>): Map<string, Reading | null> {
  const folder = mkdtempSync(join(base, 'files-'));
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  return new Map(Object.entries(JSON.parse(python('read', folder)) as Record<string, Reading | null>));
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function toValues({ dtype, elementCount }: TensorRef, bytes: Uint8Array): string | null {
  const values = new Float32Array(elementCount);
  if (dtype === 'f32' || dtype === 'f16' || dtype === 'bf16') decodeFloats(dtype, bytes, values);
  else if (isDecodableBlock(dtype)) decodeBlocks(dtype, bytes, values);
  else return null;
  // Which of many NaN it is says nothing.
  const codes = new Uint32Array(values.buffer);
  values.forEach((value, i) => {
    if (Number.isNaN(value)) codes[i] = 0x7fc00000;
  });
  return sha256(new Uint8Array(values.buffer));
}

function toRows(model: Model): Row[] {
  const rows = model.tensors.map((tensor): Row => {
    const bytes = new Uint8Array(tensor.byteLength);
    tensor.read(0, bytes);
    return [tensor.name, tensor.dtype, tensor.shape, sha256(bytes), toValues(tensor, bytes)];
  });
  return rows.sort((a, b) => (a[0] < b[0] ? -1 : 1));
}

function expectAgreement(files: ReadonlyMap<string, Uint8Array>): void {
  const theirs = ask(files);
  for (const [name, bytes] of files) {
    expect([name, toRows(openBytes(bytes, 'm.gguf'))]).toEqual([name, theirs.get(name)?.tensors]);
  }
}

describeWithProgram('GGUF against the Python package gguf', PYTHON, ['-c', 'import gguf, safetensors'], () => {
  test('element types have the same numbers and block sizes, but for the two that it lacks or sizes wrongly', () => {
    const theirs = JSON.parse(python('types')) as Record<string, [number, number, number]>;
    const ours = [...GGUF_DTYPES].map(([number, dtype]) => {
      const { bits, block } = DTYPES[dtype];
      return [dtype, [number, block?.elements ?? 1, block?.bytes ?? bits / 8]] as const;
    });
    // ggml asserts sizeof(block_q8_1) == 36: its two scales became f16. q2_0 is younger than the package.
    expect(theirs.q8_1).toEqual([9, 32, 40]);
    expect(theirs.q2_0).toBeUndefined();
    const known = ours.filter(([dtype]) => dtype !== 'q8_1' && dtype !== 'q2_0');
    expect(Object.fromEntries(known)).toEqual(
      Object.fromEntries(Object.entries(theirs).filter(([dtype]) => dtype !== 'q8_1')),
    );
  });

  test('files that it writes, of every type: same types, shapes, bytes and values; all metadata', () => {
    const folder = mkdtempSync(join(base, 'written-'));
    python('write', folder, join(samples, 'cnn.safetensors'));
    const files = new Map(readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
    expect(files.size).toBe(34);
    expectAgreement(files);
    for (const bytes of files.values()) {
      const model = openBytes(bytes, 'm.gguf');
      expect(runPlan(model.plan([]))).toEqual(bytes);
      expect(Object.fromEntries(model.metadata)).toMatchObject({
        'general.architecture': 'tiny',
        't.u8': '255',
        't.i16': '-32768',
        't.u32': '4294967295',
        't.bool': 'true',
        't.string': 'zwölf ☃',
        't.numbers': '[1, 2, 3]',
        't.floats': '[0.5, 1.5]',
        't.u64': '18446744073709551615',
        't.i64': '-9223372036854775808',
        't.f64': '0.1',
      });
    }
  });

  test('files that we convert, quantise, mark and edit are read there as they are read here', () => {
    const mlp = openModelPath(join(samples, 'mlp.onnx'));
    const files = new Map<string, Uint8Array>();
    for (const name of ['mlp.onnx', 'cnn.safetensors', 'transformer.onnx']) {
      const model = openModelPath(join(samples, name));
      files.set(`converted ${name}`, runPlan(toGguf(model, 'm.gguf').plan));
      model.close();
    }
    for (const dtype of ['q4_0', 'q5_1', 'q8_0', 'q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k'] as const) {
      const model = openBytes(toQuantisedGguf(mlp, dtype), 'm.gguf');
      const ownSeed = deriveSeeds(new Uint8Array(32).fill(1)).own;
      const { edits } = embedMark({ model, ownSeed, ownerId: 'a', originalDigest: toOriginalDigest(model) });
      const set = { kind: 'metadata', key: 'general.näme', value: 'line\n"quoted" ☃' } as const;
      files.set(`marked ${dtype}`, runPlan(model.plan([...edits, set])));
    }
    mlp.close();
    expectAgreement(files);
    const { fields } = ask(files).get('marked q4_k')!;
    expect(fields).toMatchObject({ 'general.architecture': 'unknown', 'general.näme': 'line\n"quoted" ☃' });
  });

  // What is refused here never gets there: a count of 2^63 has the package fill the memory.
  test('of 3,000 mutants, all that are accepted here hold the same tensors there', () => {
    const files = new Map<string, Uint8Array>();
    for (let i = 0; i < 3000; i++) {
      const { bytes } = mutateGguf(toRng(9_000_000 + i));
      if (findCode(() => openBytes(bytes, 'm.gguf')) !== undefined) continue;
      const isKnown = openBytes(bytes, 'm.gguf').tensors.every(({ dtype }) => dtype !== 'q2_0');
      if (isKnown) files.set(String(i), bytes);
    }
    expect(files.size).toBeGreaterThan(100);
    expectAgreement(files);
  });
});
