/** What must be said beside the result of a protection. */
import { isBackedUp } from '../owner.ts';
import { type MarkStepResult, toNoiseTolerance } from './mark-step.ts';
import type { Protection } from './protection.ts';
import type { Outputs } from './written.ts';

export interface Warning {
  readonly text: string;
  readonly isPublic: boolean;
}

const say = (text: string, isPublic = false): Warning => ({ text, isPublic });

/** All of them, for `--json`. */
export function toAllWarnings(protection: Protection, outputs: Outputs): string[] {
  const { marked, keys } = protection;
  const known: string[] = [];
  if (keys !== null && keys.note !== null) known.push(`The key that opens the sealed file: ${keys.note}.`);
  if (marked === null) known.push('No mark was embedded: a copy of the weights cannot be recognised.');
  if (outputs.claim !== null && outputs.claim.attestation === null) {
    known.push('Time attested only by the owner: publish the checkpoint, or protect with --tsa URL.');
  }
  return [...known, ...toWarnings(protection, outputs).map(({ text }) => text)];
}

/** Nothing showed what flows through the layers: the strength is the default for so many weights. */
function toBlindWarning({ mark }: MarkStepResult): Warning {
  const { tau, weights } = mark.record;
  return say(
    `The strength was chosen by the number of weights alone: tau ${tau} for ${weights}, expected to stand weight noise up to ${toNoiseTolerance(mark).toFixed(2)} of the weights' deviation. Run the marked model on your data before release; --tau chooses another strength.`,
  );
}

/** Those that the report cannot tell from its own fields. */
export function toWarnings(protection: Protection, outputs: Outputs): Warning[] {
  const { services, marked, fidelity, options } = protection;
  const warnings: Warning[] = [];
  if (!isBackedUp(services)) {
    warnings.push(say('The owner key has no backup: without it no claim can be proven. Run "modelward keys backup".'));
  }
  if (marked !== null && marked.refusedTaus.length > 0) {
    const tolerance = toNoiseTolerance(marked.mark).toFixed(2);
    const { tau } = marked.mark.record;
    warnings.push(
      say(
        `Strength was lowered to tau ${tau}, the strongest tried whose loss was not shown to exceed ${options.limitPoints} points of accuracy; the mark is then expected to stand weight noise up to ${tolerance} of the weights' deviation.`,
      ),
    );
  }
  if (fidelity.kind === 'unmeasured' && marked !== null) {
    warnings.push(say(`What the mark costs was not measured: ${fidelity.reason.replace(/\.$/, '')}.`));
    if (marked.mark.record.calibration === null && options.tau === undefined) warnings.push(toBlindWarning(marked));
  }
  if (marked !== null && marked.orderUnchecked !== null) {
    warnings.push(
      say(
        `Nothing showed that the copy answers alike with its neurons in another order: ${marked.orderUnchecked.replace(/\.$/, '')}. Run it on your data before release.`,
      ),
    );
  }
  if (fidelity.kind === 'measured') warnings.push(...fidelity.fidelity.warnings.map((text) => say(text)));
  if (outputs.claim?.attestation?.isTrusted === false) {
    warnings.push(say('The time stamp was checked, but not who made it: pass the root with --tsa-ca FILE.', true));
  }
  return warnings;
}
