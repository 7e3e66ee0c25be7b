/** The first screen: what it is about, four figures, and what must be known first. */
import { toSmallPercentText } from '../core/quantities.ts';
import { toAttentionPoints } from './attention.ts';
import { CLAIM_BITS } from './chart-evidence.ts';
import { type Html, html } from './html.ts';
import { toSignedText } from './numbers.ts';
import type { ProtectReport, ReportAudience } from './types.ts';

interface Fact {
  readonly name: string;
  readonly figure: string;
  readonly note: string;
}

export function toMasthead(report: ProtectReport, audience: ReportAudience): Html {
  const form = audience === 'owner' ? 'Owner’s, confidential' : 'Public';
  return html`<header>
<p class="eyebrow">Modelward · Protection report</p>
<h1>${report.model.name}</h1>
<dl class="meta">
<div><dt>Owner</dt><dd>${report.owner}</dd></div>
${toCopyMeta(report, audience)}<div><dt>Made</dt><dd>${toDateText(report.createdAt)}</dd></div>
<div><dt>Form</dt><dd>${form}</dd></div>
</dl>
<div class="facts">
${toFacts(report).map(toFactHtml)}
</div>
${toAttention(report, audience)}
</header>`;
}

function toCopyMeta({ recipient }: ProtectReport, audience: ReportAudience): Html | null {
  if (recipient === null) return null;
  return audience === 'owner'
    ? html`<div><dt>Copy for</dt><dd>${recipient.id} (number ${recipient.number})</dd></div>
`
    : html`<div><dt>Copy</dt><dd>number ${recipient.number}</dd></div>
`;
}

/** The four figures, in the order of the page's sections. */
function toFacts(report: ProtectReport): Fact[] {
  return [toMarkFact(report), toEvidenceFact(report), toFidelityFact(report), toTimeFact(report)];
}

/** "2026-03-14 09:26:53 UTC" of an ISO 8601 instant; anything else as it is. */
export function toDateText(iso: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/.exec(iso);
  return match === null ? iso : `${match[1]} ${match[2]} UTC`;
}

function toFactHtml(fact: Fact): Html {
  return html`<div><div class="note">${fact.name}</div><p class="figure">${fact.figure}</p><div class="note">${fact.note}</div></div>`;
}

function toMarkFact({ mark, evidence }: ProtectReport): Fact {
  if (mark.kind === 'none') return { name: 'Ownership mark', figure: 'none', note: 'see section 3' };
  const note = evidence === null ? 'not read back' : `read back: ${evidence.bitErrors} of ${evidence.bits} wrong`;
  return { name: 'Ownership mark', figure: `${mark.bits} bits`, note };
}

function toEvidenceFact({ evidence }: ProtectReport): Fact {
  if (evidence === null) return { name: 'Evidence', figure: 'none', note: 'nothing to read' };
  return { name: 'Evidence', figure: `${evidence.evidenceBits.toFixed(0)} bits`, note: `a claim needs ${CLAIM_BITS}` };
}

function toFidelityFact({ fidelity }: ProtectReport): Fact {
  if (fidelity.kind === 'unmeasured') return { name: 'Effect', figure: 'not measured', note: 'see section 4' };
  if (fidelity.lossPoints === null) {
    return { name: 'Outputs moved', figure: toSmallPercentText(fidelity.relativeL2), note: 'relative L2; no labels' };
  }
  const { estimate, lower95, upper95 } = fidelity.lossPoints;
  const note = `95 %: ${toSignedText(lower95, 2)} to ${toSignedText(upper95, 2)}`;
  return { name: 'Accuracy lost', figure: `${toSignedText(estimate, 2)} points`, note };
}

function toTimeFact({ commitment }: ProtectReport): Fact {
  if (commitment === null) return { name: 'Time', figure: 'not committed', note: 'see section 5' };
  if (commitment.tsa === null) return { name: 'Time', figure: 'owner only', note: 'no third party attested it' };
  if (!commitment.tsa.isTrusted) return { name: 'Time', figure: 'stamped', note: 'the authority was not checked' };
  return { name: 'Time', figure: 'attested', note: `by a third party, ${toDateText(commitment.tsa.time)}` };
}

function toAttention(report: ProtectReport, audience: ReportAudience): Html | null {
  const points = toAttentionPoints(report, audience);
  if (points.length === 0) return null;
  return html`<div class="attention" role="note" aria-labelledby="attention">
<h2 id="attention">To be known first</h2>
<ul>
${points.map(({ title, text }) => html`<li><strong>${title}.</strong> ${text}</li>`)}
</ul>
</div>`;
}
