/** Section 3: the mark, its evidence in plain words, and for the owner where in the model it lies. */
import { toCountText, toSmallPercentText } from '../core/quantities.ts';
import { CLAIM_BITS, drawEvidence, FLAG_BITS } from './chart-evidence.ts';
import { drawLayers } from './chart-layers.ts';
import { type Html, html } from './html.ts';
import { toPower } from './numbers.ts';
import { toRecipientBody } from './recipient-body.ts';
import { toSection } from './section.ts';
import type { ProtectReport, ReportAudience, ReportEvidence, ReportLayer, ReportMark } from './types.ts';

export function toMarkSection(report: ProtectReport, audience: ReportAudience): Html {
  const { mark, evidence } = report;
  if (mark.kind === 'none') {
    const reason = audience === 'owner' ? html`<p>Reason: ${mark.reason}</p>` : null;
    return toSection(
      3,
      'The mark and its evidence',
      html`<p>No ownership mark was made: this file cannot be traced by its weights.</p>${reason}`,
    );
  }
  return toSection(
    3,
    'The mark and its evidence',
    html`${toMarkText(report, mark, audience)}
${evidence === null ? html`<p>The mark was not read back.</p>` : toEvidenceBody(evidence)}
${toRecipientBody(report, audience)}
${audience === 'owner' ? toLayersBody(mark.perLayer) : null}`,
  );
}

type Embedded = Extract<ReportMark, { kind: 'embedded' }>;

function toMarkText(report: ProtectReport, mark: Embedded, audience: ReportAudience): Html {
  const where =
    audience === 'owner'
      ? html` They are spread over ${toCountText(mark.weights)} weights with margin τ = ${mark.tau} (scheme ${mark.scheme}); on average a weight moved by ${toSmallPercentText(mark.relativeDistortion)} of the spread of its layer.${toCalibrationText(mark.calibration)}`
      : null;
  const committed =
    report.commitment === null ? '' : ', which was committed to before the file got its name (section 5)';
  return html`<p>The weights carry ${mark.bits} bits. Neither the bits nor their places were chosen: both follow from a secret seed${committed}.${where}</p>`;
}

function toCalibrationText(calibration: Embedded['calibration']): string {
  if (calibration === null) return ' No inputs were at hand to choose directions that matter little.';
  const { layers, samples, inputs } = calibration;
  return ` In ${toCountText(layers)} layers the change keeps out of the directions that ${toCountText(samples)} inputs use most (${inputs}).`;
}

function toEvidenceBody(evidence: ReportEvidence): Html {
  const { bits, bitErrors, log2pHard, log2pSoft, trials, evidenceBits } = evidence;
  const agree = bits - bitErrors;
  return html`<h3>Evidence, in plain words</h3>
<p>The detector read the finished file: <strong>${toCountText(agree)} of ${toCountText(bits)} bits agree</strong> with the seed. A model that never met the seed agrees with each bit as a coin does, by chance, and would show about ${toCountText(Math.round(bits / 2))}.</p>
<figure>${drawEvidence(evidenceBits)}
<figcaption>One bit of evidence halves the probability of chance. ${FLAG_BITS} bits: as likely as ${FLAG_BITS} coin tosses in a row all falling heads. Modelward flags at ${FLAG_BITS} and calls it a claim only at ${CLAIM_BITS}.</figcaption></figure>
<table><caption>The arithmetic</caption><tbody>
<tr><th scope="row">Counting agreeing bits</th><td>probability of chance ${toPower(log2pHard, 1)} (exact binomial tail)</td></tr>
${log2pSoft === null ? null : html`<tr><th scope="row">Weighing how strongly they agree</th><td>at most ${toPower(log2pSoft, 1)} (Hoeffding bound)</td></tr>`}
<tr><th scope="row">Attempts counted against us</th><td>${toCountText(trials)} (statistics, keys, alignments), which cost ${Math.log2(Math.max(1, trials)).toFixed(1)} bits</td></tr>
<tr><th scope="row">Evidence that remains</th><td><strong>${evidenceBits.toFixed(1)} bits</strong>: at most 1 chance in ${toPower(Math.max(0, Math.floor(evidenceBits)), 0)}</td></tr>
</tbody></table>
<p>These bounds hold for any file whatever, because bits and places come from the seed and not from the file. They rest on the seed having been fixed first: that is what the commitment of section 5 is for.</p>`;
}

const TABLE_ROWS_MAX = 1000;

function toLayersBody(layers: readonly ReportLayer[]): Html | null {
  if (layers.length === 0) return null;
  const rows = layers
    .slice(0, TABLE_ROWS_MAX)
    .map(
      (layer) =>
        html`<tr><td><code>${layer.layer}</code></td><td class="number-cell">${toCountText(layer.weights)}</td><td class="number-cell">${toSmallPercentText(layer.relativeDistortion)}</td></tr>`,
    );
  return html`<h3>Distortion per layer</h3>
<figure>${drawLayers(layers)}
<figcaption>How far the weights of each layer moved, as a share of their own spread (root mean square), in the order of the graph. Not in the public form: it says where the mark lies.</figcaption></figure>
<details><summary>The same as a table</summary>
<table><thead><tr><th scope="col">Layer</th><th scope="col" class="number-cell">Weights</th><th scope="col" class="number-cell">Change</th></tr></thead><tbody>
${rows}
</tbody></table>
${layers.length > TABLE_ROWS_MAX ? html`<p>${toCountText(layers.length - TABLE_ROWS_MAX)} further layers are left out.</p>` : null}
</details>`;
}
