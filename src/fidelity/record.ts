/** The result of a comparison: figures, intervals, and what must be said beside them. */
import { type Compared, findDecider } from './compare.ts';
import { findResolvablePoints, type LossPoints, toLossPoints } from './loss.ts';
import { type OutputKind, toAgreement, toRelativeL2 } from './tally.ts';

export interface OutputFidelity {
  readonly name: string;
  readonly kind: OutputKind;
  /** ‖marked - original‖ / ‖original‖; null when outputs cannot be compared (not finite, other shapes, zero norm). */
  readonly relativeL2: number | null;
  /** Fraction of samples with the same class; null for outputs that name no class. */
  readonly argmaxAgreement: number | null;
}

export interface FidelityRecord {
  readonly samples: number;
  /** Fractions of right answers; null without labels or without an output that names classes. */
  readonly accuracyOriginal: number | null;
  readonly accuracyMarked: number | null;
  /** Of the first output that names classes. */
  readonly argmaxAgreement: number | null;
  /** The largest of all outputs; null when any is null. */
  readonly relativeL2: number | null;
  /** Such as "onnxruntime-web 1.30.0". */
  readonly runtime: string;
  /** Where the samples came from, such as "idx data, values / 255" or "seeded probes". */
  readonly inputs: string;
  readonly perOutput: readonly OutputFidelity[];
  /** Null without accuracies. */
  readonly lossPoints: LossPoints | null;
  readonly limitPoints: number;
  /** True when it is shown that more than the limit is lost. */
  readonly isOverLimit: boolean;
  /** The smallest loss that would be found above the limit with so many samples; null without accuracies. */
  readonly resolvablePoints: number | null;
  /** Whole sentences. */
  readonly warnings: readonly string[];
}

export interface RecordFacts {
  /** Such as "onnxruntime-web 1.30.0". */
  readonly runtime: string;
  readonly inputs: string;
  readonly hasLabels: boolean;
  readonly limitPoints: number;
}

/** Figures and warnings of a comparison. */
export function toRecord(compared: Compared, facts: RecordFacts): FidelityRecord {
  const { samples, tallies, counts } = compared;
  const { limitPoints } = facts;
  const perOutput = tallies.map((tally) => ({
    name: tally.name,
    kind: tally.kind,
    relativeL2: toRelativeL2(tally),
    argmaxAgreement: toAgreement(tally),
  }));
  const distances = perOutput.map((output) => output.relativeL2);
  const decider = findDecider(tallies);
  const lossPoints = counts === null ? null : toLossPoints({ samples, ...counts });
  const resolvablePoints = counts === null ? null : findResolvablePoints(samples, limitPoints);
  return {
    samples,
    accuracyOriginal: counts === null ? null : counts.rightOriginal / samples,
    accuracyMarked: counts === null ? null : counts.rightMarked / samples,
    argmaxAgreement: decider === undefined ? null : toAgreement(decider),
    relativeL2: distances.every((distance) => distance !== null) ? Math.max(0, ...distances) : null,
    runtime: facts.runtime,
    inputs: facts.inputs,
    perOutput,
    lossPoints,
    limitPoints,
    isOverLimit: lossPoints !== null && lossPoints.low > limitPoints,
    resolvablePoints,
    warnings: toWarnings(
      { ...facts, perOutput, noise: compared.noise, samples, resolvablePoints },
      decider?.name ?? null,
    ),
  };
}

/** Relative L2 above which an output is warned about, but for the one whose classes are compared. */
const distanceWarnAbove = 0.05;
/** Agreement below which probes warn. */
const agreementWarnBelow = 0.99;
/** A model whose own repetition differs by more is called random. */
const noiseWarnAbove = 1e-6;

interface WarningFacts extends RecordFacts {
  readonly perOutput: readonly OutputFidelity[];
  readonly noise: number;
  readonly samples: number;
  readonly resolvablePoints: number | null;
}

function toWarnings(facts: WarningFacts, deciderName: string | null): string[] {
  const warnings: string[] = [];
  const percent = (value: number): string => `${(100 * value).toPrecision(2)} %`;
  for (const { name, relativeL2, argmaxAgreement } of facts.perOutput) {
    if (relativeL2 === null)
      warnings.push(`Output "${name}" cannot be compared: values that are not finite, other shapes, or zeros.`);
    else if (name !== deciderName && relativeL2 > distanceWarnAbove) {
      warnings.push(
        `Output "${name}" changed by ${percent(relativeL2)} (relative L2); above 5 % its users should look at it.`,
      );
    }
    if (!facts.hasLabels && argmaxAgreement !== null && argmaxAgreement < agreementWarnBelow) {
      warnings.push(`Output "${name}" names the same class in only ${percent(argmaxAgreement)} of the probes.`);
    }
  }
  if (facts.hasLabels && deciderName === null) warnings.push('No output names classes, so the labels were not used.');
  if (!facts.hasLabels) warnings.push('No labelled data was given, so no loss of accuracy was measured.');
  if (facts.noise > noiseWarnAbove) {
    warnings.push(`The original itself differs by ${percent(facts.noise)} (relative L2) when it is run twice.`);
  }
  if (facts.resolvablePoints !== null && facts.resolvablePoints > 10 * facts.limitPoints) {
    const points = facts.resolvablePoints.toPrecision(2);
    warnings.push(`With ${facts.samples} samples no loss below ${points} points can be shown to exceed the limit.`);
  }
  return warnings;
}
