/** Section 4: what marking did to the answers of the model, measured and not assumed. */
import { toCountText, toPercentText, toSmallPercentText } from '../core/quantities.ts';
import { drawAccuracies, drawLoss, drawOutputs, RELATIVE_L2_WARNING } from './chart-fidelity.ts';
import { type Html, html } from './html.ts';
import { toAccuracyText, toSignedText } from './numbers.ts';
import { toSection } from './section.ts';
import type { ProtectReport, ReportAudience, ReportFidelity, ReportLoss } from './types.ts';

type Measured = Extract<ReportFidelity, { kind: 'measured' }>;

const TITLE = 'Effect on the model’s answers';

export function toFidelitySection({ fidelity }: ProtectReport, audience: ReportAudience): Html {
  if (fidelity.kind === 'unmeasured') {
    const reason = audience === 'owner' ? html`<p>Reason: ${fidelity.reason}</p>` : null;
    return toSection(
      4,
      TITLE,
      html`<p><strong>Not measured.</strong> Nothing is said about how the model behaves after marking.</p>${reason}`,
    );
  }
  return toSection(4, TITLE, [
    fidelity.lossPoints === null ? toUnlabelledText(fidelity) : toLabelledBody(fidelity, fidelity.lossPoints),
    toAgreementText(fidelity),
    toOutputsFigure(fidelity, audience),
    html`<p>Both models ran in ${fidelity.runtime}, on the same inputs in the same order.</p>`,
  ]);
}

function toLabelledBody(fidelity: Measured, loss: ReportLoss): Html {
  const { accuracyOriginal: original, accuracyMarked: marked } = fidelity;
  return html`<p>${toCountText(fidelity.samples)} labelled samples were classified by the original and by the marked model.</p>
${original === null || marked === null ? null : html`<figure>${drawAccuracies(original, marked)}<figcaption>Accuracy before (${toAccuracyText(original)}) and after (${toAccuracyText(marked)}), drawn from zero.</figcaption></figure>`}
<figure>${drawLoss(loss)}
<figcaption>Accuracy lost in percentage points: the dot is the estimate, the bar its 95 % interval from the paired samples. A release is refused when the whole interval lies in the shaded part, beyond the limit of ${loss.limit} points.</figcaption></figure>
<p>${toLossText(loss, fidelity.samples)}</p>`;
}

/** States what the interval shows, and what it cannot show. */
function toLossText(loss: ReportLoss, samples: number): string {
  const interval = `between ${toSignedText(loss.lower95, 3)} and ${toSignedText(loss.upper95, 3)} points`;
  const resolution = toResolutionText(loss, samples);
  if (loss.lower95 > loss.limit)
    return `With 95 % confidence the loss is ${interval}: more than the limit. ${resolution}`;
  if (loss.upper95 <= loss.limit)
    return `With 95 % confidence the loss is ${interval}: inside the limit. ${resolution}`;
  return `With 95 % confidence the loss is ${interval}. This neither shows a loss beyond the limit nor rules it out; more samples would. ${resolution}`;
}

function toResolutionText({ smallestResolvable, limit }: ReportLoss, samples: number): string {
  const count = toCountText(samples);
  if (smallestResolvable === null) return `With ${count} samples, no loss could be shown to exceed the limit.`;
  return `With ${count} samples, a loss below ${toSignedText(smallestResolvable, 3)} points cannot be shown to exceed the limit of ${limit}.`;
}

function toUnlabelledText(fidelity: Measured): Html {
  const difference =
    fidelity.relativeL2 === null
      ? 'at least one output could not be compared (not finite, of another shape, or all zero)'
      : `they differ by at most ${toSmallPercentText(fidelity.relativeL2)} (relative L2)`;
  return html`<p>No labelled data was given, so accuracy is <strong>not known</strong>. ${toCountText(fidelity.samples)} probe inputs were given to both models, and the answers compared: ${difference}.</p>`;
}

function toAgreementText(fidelity: Measured): Html | null {
  if (fidelity.argmaxAgreement === null) return null;
  return html`<p>Original and marked model gave the same answer on ${toPercentText(fidelity.argmaxAgreement, 2)} of them.</p>`;
}

function toOutputsFigure(fidelity: Measured, audience: ReportAudience): Html | null {
  const outputs = fidelity.perOutput;
  // One output of a labelled run repeats what the charts above show.
  if (outputs.length === 0 || (outputs.length === 1 && fidelity.lossPoints !== null)) return null;
  const names = outputs.map((output, index) => (audience === 'owner' ? output.name : `output ${index + 1}`));
  return html`<figure>${drawOutputs(outputs, names)}
<figcaption>How far each output moved: length of the difference over length of the original answer. Above ${toSmallPercentText(RELATIVE_L2_WARNING)} Modelward warns.</figcaption></figure>`;
}
