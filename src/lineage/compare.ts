/** Lineage of a suspect: derived from an original, unrelated, or not to be told (docs/spec/lineage.md). */
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Model } from '../model/types.ts';
import { type Agreement, measureAgreement } from './agreement.ts';
import { measureAligned } from './aligned.ts';
import type { OriginalFinding } from './finding.ts';
import { type Fit, fitSuspect } from './fit.ts';
import { testOrder } from './order-test.ts';
import { type Frame, toFrame } from './pairs.ts';
import { judgeAgreement } from './rule.ts';
import { isByOrder, judgeLineage, type LineageJudgement } from './verdict.ts';

export interface LineageOptions {
  readonly suspect: Model;
  /** At least one; several are candidates of one explanation (merges), and each is a trial. */
  readonly originals: readonly Model[];
  /** Opens independent models of the same architecture, one after the other; each is closed after use. */
  readonly nulls?: readonly (() => Model)[];
  /**
   * verdict (default): neurons are matched only where their order in the file leaves something open, or independent models
   * are given. layers: they are in any case, and layers are compared after alignment: large models take minutes.
   */
  readonly detail?: 'verdict' | 'layers';
  readonly progress?: Progress;
}

export interface LineageResult extends LineageJudgement {
  /** The suspect in file order as a mixture of all originals. */
  readonly fit: Fit;
  /** One for each original. */
  readonly originals: readonly OriginalFinding[];
}

/**
 * Compares the weights of a suspect with those of originals; nothing was embedded in them. Bounds are stated with their
 * hypothesis only; which of two models was first cannot be told from them.
 * @throws TypeError without an original; FormatError | SourceError from the readers
 */
export function compareLineage(options: LineageOptions): LineageResult {
  const { nulls = [], detail = 'verdict', progress = silentProgress } = options;
  if (options.originals.length === 0) throw new TypeError('originals: at least one model is needed');
  const suspect = toFrame(options.suspect);
  const originals = options.originals.map(toFrame);
  progress.step('file order', suspect.layers.length, 'items');
  const fit = fitSuspect(suspect, originals, () => {
    progress.advance(1);
  });
  progress.done();
  const nullShares = measureNulls(originals, nulls, progress);
  const findings = originals.map((original, index): OriginalFinding => {
    const order = testOrder(original, suspect);
    const isNeeded = detail === 'layers' || nulls.length > 0 || !isByOrder(order, originals.length);
    const agreement = isNeeded ? measureAgreement(original, suspect, progress) : null;
    return {
      order,
      agreement,
      judged: agreement === null ? null : judgeAgreement(agreement, nullShares[index]),
      aligned: detail === 'layers' ? measureAligned(original, suspect, progress) : [],
    };
  });
  return { ...judgeLineage(fit, findings), fit, originals: findings };
}

/** For each original the shares of agreement of independent models that have at least half of its neurons. */
function measureNulls(originals: readonly Frame[], nulls: readonly (() => Model)[], progress: Progress): number[][] {
  const shares = originals.map((): number[] => []);
  for (const open of nulls) {
    const model = open();
    try {
      const frame = toFrame(model);
      originals.forEach((original, index) => {
        const agreement = measureAgreement(original, frame, progress);
        if (agreement !== null && isComparable(agreement)) shares[index].push(agreement.share);
      });
    } finally {
      model.close();
    }
  }
  return shares;
}

function isComparable({ neurons, skipped }: Agreement): boolean {
  const unpaired = skipped.reduce((sum, space) => sum + (space.reason === 'unpaired' ? space.neurons : 0), 0);
  return neurons > 0 && neurons >= unpaired;
}
