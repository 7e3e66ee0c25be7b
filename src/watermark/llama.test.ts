/** The mark across a checkpoint and the GGUF file that llama.cpp's converter makes of it: other names, moved rows. */
import { beforeAll, describe, expect, test } from 'vitest';
import { markAsAlice } from '../../test/fakes/marked-model.ts';
import { memoryModel, memoryTensor } from '../../test/fakes/memory-model.ts';
import { toCheckpoint, toCheckpointAgain, toLlamaGguf, toNumbers } from '../../test/formats/llama.ts';
import { openBytes, runPlan } from '../../test/formats/models.ts';
import { toSafetensors } from '../formats/index.ts';
import type { Model } from '../model/types.ts';
import { detectMark, type DetectMarkOptions, type DetectResult } from './detect.ts';

const seed = new Uint8Array(32).fill(21);

function protect(original: Model) {
  const {
    model: marked,
    claim,
    ownSeed,
  } = markAsAlice({
    original,
    seed,
    tau: 0.1,
    reopen: (edits) => openBytes(runPlan(original.plan(edits)), original.files[0].name),
  });
  const detect = (suspect: Model, readings: DetectMarkOptions['readings'] = 'needed'): DetectResult =>
    detectMark({ suspect, claim, ownSeed, readings });
  return { original, marked, detect };
}

/** The query and key projections alone. */
function keepQueriesAndKeys(model: Model): Model {
  const tensors = model.tensors
    .filter(({ name }) => /[qk]_proj/.test(name))
    .map((tensor) => memoryTensor(tensor.name, tensor.shape, toNumbers(tensor)));
  return openBytes(runPlan(toSafetensors(memoryModel(tensors), 'm.safetensors').plan), 'm.safetensors');
}

describe('marked as a checkpoint', () => {
  let own: ReturnType<typeof protect>;
  beforeAll(() => {
    own = protect(toCheckpoint());
  });

  test.each([
    'f32',
    'f16',
    'q8_0',
    'q4_k',
  ] as const)('converted to GGUF with matrices as %s: a claim from the first reading, all of it found', (dtype) => {
    const result = own.detect(toLlamaGguf(own.marked, { dtype }), 'first');
    expect(result).toMatchObject({ verdict: 'claim', coverage: 1 });
    expect(result.schemes[0].bitErrors).toBe(0);
    // The rows are known from the metadata: nothing was chosen.
    expect(result.trials).toBe(own.detect(own.marked, 'first').trials);
    expect(own.detect(toLlamaGguf(own.original, { dtype })).verdict).toBe('none');
  });

  test('the query and key projections alone are a claim: their rows are put back by the number of heads', () => {
    const left = keepQueriesAndKeys(own.marked);
    expect(own.detect(toLlamaGguf(left, { dtype: 'f16' }), 'first').verdict).toBe('claim');
    const unmoved = toLlamaGguf(left, { dtype: 'f16', isMoved: false });
    expect(own.detect(unmoved, 'first').evidenceBits).toBeLessThan(20);
  });

  test('without the numbers of heads, usual lengths are tried, and each is a choice that is paid for', () => {
    const left = keepQueriesAndKeys(own.marked);
    const known = own.detect(toLlamaGguf(left, { dtype: 'f16' }), 'all');
    const guessed = own.detect(toLlamaGguf(left, { dtype: 'f16', isBare: true }), 'all');
    expect(guessed.verdict).toBe('claim');
    expect(guessed.evidenceBits).toBeLessThan(known.evidenceBits - 5);
    expect(guessed.trials).toBeGreaterThan(30 * known.trials);
  });

  test('an architecture whose rows are not moved is read as it lies', () => {
    const qwen = toLlamaGguf(own.marked, { dtype: 'f16', architecture: 'qwen2', isMoved: false });
    const result = own.detect(qwen, 'first');
    expect(result).toMatchObject({ verdict: 'claim', coverage: 1 });
    expect(result.schemes[0].bitErrors).toBe(0);
  });
});

describe('marked as GGUF', () => {
  test.each([
    'f16',
    'q8_0',
  ] as const)('with matrices as %s, converted back: names and rows are found, the length of a head by trying', (dtype) => {
    const own = protect(toLlamaGguf(toCheckpoint(2), { dtype }));
    const again = toCheckpointAgain(own.marked);
    const first = own.detect(again, 'first');
    expect(first).toMatchObject({ verdict: 'claim', coverage: 1 });
    const all = own.detect(again, 'all');
    expect(all.schemes.find(({ name }) => name === 'spread/best-match/hard')).toMatchObject({ bitErrors: 0 });
    const left = keepQueriesAndKeys(again);
    expect(own.detect(left, 'first').evidenceBits).toBeLessThan(20);
    expect(own.detect(left, 'all').verdict).toBe('claim');
    expect(own.detect(toCheckpointAgain(own.original), 'all').verdict).toBe('none');
  });
});
