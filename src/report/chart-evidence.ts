/** The evidence as a point on a scale of bits: noise, flag from 64, claim from 128. */
import { type Html, html } from './html.ts';

/** Evidence bits from which a suspect is flagged, and from which ownership is claimed. */
export const FLAG_BITS = 64;
export const CLAIM_BITS = 128;

/** Beyond this the thresholds would shrink together at the left; more evidence is told by an arrow. */
const SCALE_BITS_MAX = 512;
const WIDTH = 680;
const LEFT = 8;
const RIGHT = 672;
const TRACK_TOP = 44;
const TRACK_HEIGHT = 16;

/** An SVG scale. Negative evidence (more errors than chance) is drawn at 0. */
export function drawEvidence(evidenceBits: number): Html {
  const bitsMax = Math.min(SCALE_BITS_MAX, Math.max(192, Math.ceil((evidenceBits * 1.08) / 64) * 64));
  const toX = (bits: number): number => round(LEFT + (Math.min(Math.max(bits, 0), bitsMax) / bitsMax) * (RIGHT - LEFT));
  const zone = (name: string, from: number, to: number): Html =>
    html`<rect class="${name}" x="${toX(from)}" y="${TRACK_TOP}" width="${round(toX(to) - toX(from))}" height="${TRACK_HEIGHT}"/>`;
  // Each label begins where its zone does: side by side they have the most room.
  const tick = (bits: number, text: string): Html =>
    html`<line class="axis" x1="${toX(bits)}" y1="${TRACK_TOP}" x2="${toX(bits)}" y2="${TRACK_TOP + 22}"/>
<text class="label" x="${toX(bits)}" y="${TRACK_TOP + 36}">${text}</text>`;
  const x = toX(evidenceBits);
  const anchor = x > RIGHT - 90 ? 'end' : x < LEFT + 90 ? 'start' : 'middle';
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} 86" role="img" aria-label="${toLabel(evidenceBits)}">
${zone('zone-none', 0, FLAG_BITS)}${zone('zone-flag', FLAG_BITS, CLAIM_BITS)}${zone('zone-claim', CLAIM_BITS, bitsMax)}
${tick(0, '0 · chance')}${tick(FLAG_BITS, '64 · flag')}${tick(CLAIM_BITS, '128 · claim')}
<path class="marker" d="M ${x} ${TRACK_TOP - 2} l -6 -10 h 12 z"/>
<line class="marker-line" x1="${x}" y1="${TRACK_TOP - 2}" x2="${x}" y2="${TRACK_TOP + TRACK_HEIGHT}"/>
<text class="value" x="${x}" y="${TRACK_TOP - 19}" text-anchor="${anchor}">this file: ${evidenceBits.toFixed(1)} bits${evidenceBits > bitsMax ? ' →' : ''}</text>
</svg>`;
}

function toLabel(evidenceBits: number): string {
  const verdict =
    evidenceBits >= CLAIM_BITS ? 'above the claim' : evidenceBits >= FLAG_BITS ? 'a flag' : 'below the flag';
  return `Scale of evidence in bits: flag at ${FLAG_BITS}, claim at ${CLAIM_BITS}. This file: ${evidenceBits.toFixed(1)}, ${verdict}.`;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
