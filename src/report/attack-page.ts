/** The battery as one HTML page: what was lost, the picture, the table, what was not run. */
import { toCountText } from '../core/quantities.ts';
import type { AttackRecord, AttackRow, RunRow, SkippedRow } from './attack-record.ts';
import { drawAttacks } from './chart-attacks.ts';
import { CLAIM_BITS, FLAG_BITS } from './chart-evidence.ts';
import { toDocument } from './document.ts';
import { type Html, html, type HtmlValue } from './html.ts';
import { toAccuracyText } from './numbers.ts';
import { toSection } from './section.ts';

export const isRun = (row: AttackRow): row is RunRow => row.state === 'run';
export const isSkipped = (row: AttackRow): row is SkippedRow => row.state === 'not run';

/** All texts of the record are escaped. @returns a complete UTF-8 HTML document that ends in a line end */
export function toAttackHtml(record: AttackRecord): string {
  const ran = record.rows.filter(isRun);
  const skipped = record.rows.filter(isSkipped);
  const sections: readonly (readonly [string, HtmlValue])[] = [
    ['What is left', toPicture(record, ran)],
    ['Figures', toTable(ran)],
    ...(skipped.length === 0 ? [] : [['Not run', toSkippedTable(skipped)] as const]),
    ['How to read this', toNotes(record)],
  ];
  const body = html`${toHead(record, ran, skipped)}
<main>
${sections.map(([title, content], at) => toSection(at + 1, title, content))}
</main>
<footer><p>Made by Modelward ${record.toolVersion}. Detection and evidence, not prevention: who has the weights can always train until nothing of them is left.</p></footer>`;
  return toDocument(`${record.model} · Modelward attacks`, body);
}

function toHead(
  { model, claim, evaluation }: AttackRecord,
  ran: readonly RunRow[],
  skipped: readonly SkippedRow[],
): Html {
  const claims = ran.filter(({ evidenceBits }) => evidenceBits >= CLAIM_BITS).length;
  const flags = ran.filter(({ evidenceBits }) => evidenceBits >= FLAG_BITS).length - claims;
  const facts: readonly (readonly [string, string, string])[] = [
    ['Claimed', toCountText(claims), `of ${toCountText(ran.length)} attacks leave at least 128 bits`],
    ['Flagged', toCountText(flags), 'leave 64 to 128 bits'],
    ['Lost', toCountText(ran.length - claims - flags), 'leave less'],
    ['Not run', toCountText(skipped.length), 'each with its reason'],
  ];
  return html`<header>
<p class="eyebrow">Modelward · Attacks</p>
<h1>${model}</h1>
<dl class="meta"><div><dt>Claim</dt><dd>${claim.commitment.slice(0, 16)}… by ${claim.ownerId}</dd></div><div><dt>Accuracy on</dt><dd>${evaluation === null ? 'nothing: no data was given' : `${toCountText(evaluation.samples)} samples (${evaluation.words}, ${evaluation.runtime})`}</dd></div></dl>
<div class="facts">
${facts.map(([name, figure, note]) => html`<div><div class="note">${name}</div><p class="figure">${figure}</p><div class="note">${note}</div></div>`)}
</div>
</header>`;
}

function toPicture({ evaluation }: AttackRecord, ran: readonly RunRow[]): HtmlValue {
  const accuracy = evaluation === null ? '' : ' The figure at the right is the accuracy of the attacked copy.';
  return html`<figure>${drawAttacks(ran)}<figcaption>Evidence of the mark in bits, after all trials, for each attack and strength.${accuracy} An attack that ruins the model has not stolen it.</figcaption></figure>`;
}

function toTable(ran: readonly RunRow[]): HtmlValue {
  return html`<table class="wide"><thead><tr><th scope="col">Attack</th><th scope="col">Strength</th><th scope="col">Accuracy</th><th scope="col">Evidence</th><th scope="col">Wrong bits</th><th scope="col">Verdict</th></tr></thead><tbody>
${ran.map(toRunRow)}
</tbody></table>`;
}

function toRunRow({
  title,
  unit,
  strength,
  accuracy,
  evidenceBits,
  bitErrors,
  bits,
  verdict,
  isLossExpected,
}: RunRow): Html {
  const given = strength === '-' ? '' : unit === '' ? strength : `${strength} (${unit})`;
  return html`<tr><th scope="row">${title}</th><td data-label="Strength">${given}</td><td data-label="Accuracy">${accuracy === null ? '–' : toAccuracyText(accuracy)}</td><td data-label="Evidence">${evidenceBits.toFixed(1)}</td><td data-label="Wrong bits">${bitErrors} of ${bits}</td><td data-label="Verdict" class="word">${verdict}${isLossExpected ? ' (loss expected)' : ''}</td></tr>`;
}

function toSkippedTable(skipped: readonly SkippedRow[]): HtmlValue {
  return html`<table class="wide"><thead><tr><th scope="col">Attack</th><th scope="col">Strength</th><th scope="col">Why not</th></tr></thead><tbody>
${skipped.map(({ title, strength, reason, code }) => html`<tr><th scope="row">${title}</th><td data-label="Strength">${strength === '-' ? '' : strength}</td><td>${reason}<span class="path">${code}</span></td></tr>`)}
</tbody></table>`;
}

function toNotes({ original, training, seed }: AttackRecord): HtmlValue {
  return html`<ul>
<li>A verdict of “claim” needs 128 bits, of “flag” 64: the probability that a model that has nothing to do with the key shows as much is at most 2 to the minus that number.</li>
${original === null ? html`<li>The unmarked original was not at hand: copies with moved neurons can be read only with it.</li>` : html`<li>The unmarked original, read with the same key: ${original.verdict}, ${original.evidenceBits.toFixed(1)} bits${original.accuracy === null ? '' : `, accuracy ${toAccuracyText(original.accuracy)}`}.</li>`}
${training === null ? null : html`<li>Attacks that train had ${toCountText(training.samples)} samples and a constant rate of ${training.learningRate}.</li>`}
<li>Distilled copies and fresh networks trained on answers hold no weight of the model: no mark in weights can be in them.</li>
<li>Every random choice is named by the seed “${seed}”: the same run gives the same figures.</li>
</ul>`;
}
