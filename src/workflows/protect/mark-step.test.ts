import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FidelityOutcome } from '../../fidelity/index.ts';
import { toTopology } from '../../align/index.ts';
import { openModelPath } from '../../formats/index.ts';
import type { Model } from '../../model/types.ts';
import { silentProgress } from '../../core/ports.ts';
import { toOriginalDigest } from '../../watermark/index.ts';
import type { Services } from '../services.ts';
import { markWithinLimit, toNoiseTolerance } from './mark-step.ts';

const services = { progress: silentProgress } as Services;
let model: Model;
beforeAll(() => {
  model = openModelPath(join(import.meta.dirname, '../../../samples/mlp.onnx'));
});
afterAll(() => {
  model.close();
});

/** A measurement of 1,000 samples that shows a loss above the limit, or none. */
function toOutcome(isOverLimit: boolean): FidelityOutcome {
  const lossPoints = isOverLimit ? { estimate: 2, low: 1, high: 3 } : { estimate: 0, low: -0.1, high: 0.1 };
  return {
    kind: 'measured',
    fidelity: {
      samples: 1000,
      accuracyOriginal: 0.9,
      accuracyMarked: 0.9,
      argmaxAgreement: 1,
      relativeL2: 0,
      runtime: 'test',
      inputs: 'test',
      perOutput: [],
      lossPoints,
      limitPoints: 0.1,
      isOverLimit,
      resolvablePoints: 0.2,
      warnings: [],
    },
  };
}

function run(outcomes: readonly FidelityOutcome[], tau?: number, unmeasured = false) {
  const left = [...outcomes];
  return markWithinLimit(services, {
    model,
    ownSeed: new Uint8Array(32).fill(5),
    ownerId: 'acme',
    originalDigest: toOriginalDigest(model),
    topology: toTopology(model),
    calibration: null,
    tau,
    unmeasured,
    release: null,
    measure: () => Promise.resolve(left.shift()!),
  });
}

const unmeasured: FidelityOutcome = { kind: 'unmeasured', fidelity: null, reason: 'no', code: 'RUNTIME_NO_GRAPH' };

describe('mark within the limit', () => {
  test('the default strength is taken when it costs no more than the limit', async () => {
    const { mark, refusedTaus } = await run([toOutcome(false)]);
    // Not calibrated: 2.25 / √(86,016 weights / 256 bits).
    expect(mark.record.tau).toBe(0.123);
    expect(refusedTaus).toEqual([]);
  });

  test('tau is lowered first, step by step, and what robustness is left is lower too', async () => {
    const strong = await run([toOutcome(false)]);
    const { mark, refusedTaus } = await run([toOutcome(true), toOutcome(true), toOutcome(false)]);
    expect(mark.record.tau).toBe(0.0614);
    expect(refusedTaus).toEqual([0.123, 0.0859]);
    expect(toNoiseTolerance(mark)).toBeLessThan(toNoiseTolerance(strong.mark));
  });

  test('when every strength costs too much, the mark is refused with the measured loss', async () => {
    const refused = run(Array.from({ length: 9 }, () => toOutcome(true)));
    await expect(refused).rejects.toMatchObject({
      code: 'FIDELITY_LOSS_ABOVE_LIMIT',
      fields: { low: 1, samples: 1000 },
    });
  });

  test('a strength that the user chose is not lowered', async () => {
    await expect(run([toOutcome(true), toOutcome(false)], 0.2)).rejects.toMatchObject({
      code: 'FIDELITY_LOSS_ABOVE_LIMIT',
    });
  });

  test('what cannot be measured is refused unless it is allowed', async () => {
    await expect(run([unmeasured])).rejects.toMatchObject({ code: 'FIDELITY_UNMEASURED' });
    expect((await run([unmeasured], undefined, true)).fidelity.kind).toBe('unmeasured');
  });
});
