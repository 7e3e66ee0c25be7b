/** The mark on real files: embedded in one format, read in another. */
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { markAsAlice } from '../../test/fakes/marked-model.ts';
import { toQuantisedGguf } from '../../test/formats/quantise-gguf.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import { concatBytes } from '../core/bytes.ts';
import { openModel, toGguf, toSafetensors } from '../formats/index.ts';
import type { Model } from '../model/types.ts';
import { applyRewrite, openBufferSource, type RewriteOp } from '../source/index.ts';
import { detectMark } from './detect.ts';
import { toOriginalDigest } from './digest.ts';
import { type EmbeddedMark, TAU_DEFAULT } from './spread/embed.ts';

const samples = resolve(import.meta.dirname, '../../samples');
const seed = new Uint8Array(32).fill(5);

function openBytes(name: string, bytes: Uint8Array): Model {
  return openModel({ source: openBufferSource(name, bytes), name, folder: null });
}

const openPath = (path: string): Model => openBytes(basename(path), readFileSync(path));

function toBytes(ops: readonly RewriteOp[]): Uint8Array {
  const parts: Uint8Array[] = [];
  applyRewrite(ops, { write: (chunk) => parts.push(chunk.slice()) });
  return concatBytes(...parts);
}

function protect(original: Model) {
  const reopen = (edits: EmbeddedMark['edits']): Model =>
    openBytes(original.files[0].name, toBytes(original.plan(edits).files[0].ops));
  const { model: marked, ...others } = markAsAlice({ original, seed, reopen });
  return { marked, ...others };
}

const convert = (model: Model): Model =>
  openBytes('copy.safetensors', toBytes(toSafetensors(model, 'copy.safetensors').plan.files[0].ops));

const convertToGguf = (model: Model): Model =>
  openBytes('copy.gguf', toBytes(toGguf(model, 'copy.gguf').plan.files[0].ops));

function expectSurvival(original: Model): void {
  const { marked, claim, ownSeed, mark } = protect(original);
  expect(mark.record.relativeDistortion).toBeLessThan(1.4 * TAU_DEFAULT);
  const gguf = convertToGguf(marked);
  for (const suspect of [marked, convert(marked), gguf, convert(gguf)]) {
    for (const reference of [undefined, original, convertToGguf(original)]) {
      const result = detectMark({
        suspect,
        claim,
        ownSeed,
        readings: 'all',
        ...(reference ? { original: reference } : {}),
      });
      expect(result.verdict).toBe('claim');
      expect(result.schemes[0]).toMatchObject({ bitErrors: 0, aligned: false });
      const aligned = result.schemes.find((scheme) => scheme.aligned);
      if (aligned) expect(aligned.bitErrors).toBe(0);
    }
  }
}

describe('the mark in sample files', () => {
  test.each([
    'mlp.onnx',
    'cnn.onnx',
    'cnn-large.onnx',
    'transformer.onnx',
    'cnn.safetensors',
  ])('%s: no bit error as written, as safetensors and GGUF, with and without the original in either format', (name) => {
    expectSurvival(openPath(join(samples, name)));
  });

  test('embedded in GGUF: no bit error there, as safetensors, and with the original of either format', () => {
    expectSurvival(convertToGguf(openPath(join(samples, 'cnn-large.onnx'))));
  });

  test.each([
    'q8_0',
    'q6_k',
    'q5_k',
    'q5_1',
    'q5_0',
    'q4_k',
    'q4_1',
    'q4_0',
    'q3_k',
  ] as const)('mlp.onnx marked, then quantised to %s in GGUF: claimed from there', (dtype) => {
    const { marked, claim, ownSeed } = protect(openPath(join(samples, 'mlp.onnx')));
    const suspect = openBytes('quantised.gguf', toQuantisedGguf(marked, dtype));
    expect(suspect.tensors.some((tensor) => tensor.dtype === dtype)).toBe(true);
    expect(detectMark({ suspect, claim, ownSeed }).verdict).toBe('claim');
  });

  test.each([
    'q8_0',
    'q4_k',
    'q4_0',
  ] as const)('embedded in a GGUF of %s blocks: read there, scales unchanged', (dtype) => {
    const original = openBytes('m.gguf', toQuantisedGguf(openPath(join(samples, 'mlp.onnx')), dtype));
    const { marked, claim, ownSeed, mark } = protect(original);
    expect(mark.record.perLayer.length).toBeGreaterThan(0);
    expect(detectMark({ suspect: marked, claim, ownSeed }).schemes[0]).toMatchObject({ bitErrors: 0 });
    expect(detectMark({ suspect: original, claim, ownSeed }).verdict).toBe('none');
  });

  test('originalDigest is the same for ONNX, safetensors and GGUF, and another after one changed bit', () => {
    const bytes = readFileSync(join(samples, 'cnn.onnx'));
    const model = openBytes('cnn.onnx', bytes);
    expect(toOriginalDigest(convert(model))).toEqual(toOriginalDigest(model));
    expect(toOriginalDigest(convertToGguf(model))).toEqual(toOriginalDigest(model));
    const tensor = model.tensors.find((item) => item.elementCount > 1000)!;
    const changed = Uint8Array.from(bytes);
    changed[tensor.start + 17] ^= 1;
    expect(toOriginalDigest(openBytes('cnn.onnx', changed))).not.toEqual(toOriginalDigest(model));
  });
});

describeWithShared('the mark in published models', () => {
  test.each([
    'ultraface_rfb320.onnx',
    'silero_vad_16k.safetensors',
    'silero_vad_op18_ifless.onnx',
  ])('%s: embedded and read without a bit error', (name) => {
    const original = openPath(sharedData('models', name));
    const { marked, claim, ownSeed } = protect(original);
    const result = detectMark({ suspect: marked, claim, ownSeed, original });
    expect(result.schemes[0]).toMatchObject({ bitErrors: 0 });
    expect(result.verdict).toBe('claim');
    expect(detectMark({ suspect: original, claim, ownSeed }).verdict).toBe('none');
  });

  test('silero_vad_half.onnx (float16): embedded and read without a bit error', () => {
    const original = openPath(sharedData('models', 'silero_vad_half.onnx'));
    const { marked, claim, ownSeed } = protect(original);
    expect(detectMark({ suspect: marked, claim, ownSeed }).schemes[0]).toMatchObject({ bitErrors: 0 });
  });

  test('mnist.onnx is too small, and says how many weights a mark needs', () => {
    const original = openPath(sharedData('models', 'mnist.onnx'));
    expect(() => protect(original)).toThrow(
      expect.objectContaining({
        code: 'WATERMARK_TOO_SMALL',
        fields: { weights: 3200, weightsNeeded: 16384, bits: 256 },
      }) as Error,
    );
  });
});
