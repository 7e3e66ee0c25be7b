/** What each attack left: a bar of evidence between chance, flag and claim, and the accuracy beside it. */
import type { RunRow } from './attack-record.ts';
import { CLAIM_BITS, FLAG_BITS } from './chart-evidence.ts';
import { type Html, html } from './html.ts';
import { toFittingLabel } from './label-width.ts';

/** More evidence than this is told by an arrow: the thresholds are what counts. */
const BITS_MAX = 256;
const WIDTH = 680;
const LEFT = 190;
const RIGHT = 520;
const ROW = 22;
const TOP = 26;

const toX = (bits: number): number =>
  Math.round((LEFT + (Math.min(Math.max(bits, 0), BITS_MAX) / BITS_MAX) * (RIGHT - LEFT)) * 100) / 100;

/** One row per attack and strength, in the order given; none gives an empty frame. */
export function drawAttacks(rows: readonly RunRow[]): Html {
  const height = TOP + rows.length * ROW + 30;
  const bottom = TOP + rows.length * ROW;
  const tick = (bits: number, text: string): Html =>
    html`<line class="axis" x1="${toX(bits)}" y1="${TOP - 6}" x2="${toX(bits)}" y2="${bottom + 4}"/><text class="label" x="${toX(bits)}" y="${bottom + 20}" text-anchor="middle">${text}</text>`;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Evidence left after each attack, in bits; flag at ${FLAG_BITS}, claim at ${CLAIM_BITS}">
<text class="label" x="${WIDTH}" y="12" text-anchor="end">accuracy</text>
${rows.map((row, index) => drawRow(row, TOP + index * ROW))}
${tick(0, '0')}${tick(FLAG_BITS, '64 · flag')}${tick(CLAIM_BITS, '128 · claim')}
</svg>`;
}

function drawRow({ attack, strength, evidenceBits, accuracy }: RunRow, y: number): Html {
  const bar = evidenceBits >= CLAIM_BITS ? 'bar' : evidenceBits >= FLAG_BITS ? 'bar-muted' : 'bar-bad';
  const label = strength === '-' ? attack : `${attack} ${strength}`;
  const beyond = evidenceBits > BITS_MAX ? ' →' : '';
  return html`<text class="label" x="${LEFT - 10}" y="${y + 12}" text-anchor="end">${toFittingLabel(label, LEFT - 10)}</text>
<rect class="bar-back" x="${LEFT}" y="${y}" width="${RIGHT - LEFT}" height="15"/>
<rect class="${bar}" x="${LEFT}" y="${y}" width="${Math.max(1, toX(evidenceBits) - LEFT)}" height="15"/>
<text class="label" x="${RIGHT + 8}" y="${y + 12}">${Math.round(evidenceBits)}${beyond}</text>
<text class="value" x="${WIDTH}" y="${y + 12}" text-anchor="end">${accuracy === null ? '–' : `${(100 * accuracy).toFixed(1)} %`}</text>`;
}
