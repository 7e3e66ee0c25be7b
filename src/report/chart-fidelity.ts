/** What marking cost: the accuracy lost with its interval against the limit, or how far unlabelled outputs moved. */
import { toSmallPercentText } from '../core/quantities.ts';
import { type Html, html } from './html.ts';
import { toFittingLabel } from './label-width.ts';
import { toAccuracyText, toSignedText } from './numbers.ts';
import type { ReportFidelityOutput, ReportLoss } from './types.ts';

const WIDTH = 680;
const LEFT = 96;
const RIGHT = 584;

/** Two bars on a scale from 0 to 100 %: a difference that cannot be seen is what the reader should see. */
export function drawAccuracies(original: number, marked: number): Html {
  const bar = (top: number, name: string, accuracy: number, look: string): Html =>
    html`<text class="label" x="0" y="${top + 13}">${name}</text>
<rect class="bar-back" x="${LEFT}" y="${top}" width="${RIGHT - LEFT}" height="18"/>
<rect class="${look}" x="${LEFT}" y="${top}" width="${round(clamp(accuracy) * (RIGHT - LEFT))}" height="18"/>
<text class="value" x="${RIGHT + 10}" y="${top + 14}">${toAccuracyText(accuracy)}</text>`;
  const label = `Accuracy from 0 to 100 percent: original ${toAccuracyText(original)}, marked ${toAccuracyText(marked)}.`;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} 56" role="img" aria-label="${label}">
${bar(2, 'original', original, 'bar-muted')}${bar(32, 'marked', marked, 'bar')}
</svg>`;
}

/** The loss with its 95 % interval; beyond the limit the ground is hatched. */
export function drawLoss(loss: ReportLoss): Html {
  const reach = 1.25 * Math.max(loss.limit, Math.abs(loss.lower95), Math.abs(loss.upper95), 1e-6);
  const toX = (points: number): number =>
    round(LEFT + ((Math.min(Math.max(points, -reach), reach) + reach) / (2 * reach)) * (RIGHT - LEFT));
  const digits = loss.limit < 0.1 ? 3 : 2;
  // Where the limit lies close to zero, their labels turn away from each other.
  const isClose = toX(loss.limit) - toX(0) < 90;
  const tick = (points: number, text: string, side: 'start' | 'end'): Html => {
    const offset = isClose ? (side === 'start' ? 3 : -3) : 0;
    return html`<line class="axis" x1="${toX(points)}" y1="16" x2="${toX(points)}" y2="58"/>
<text class="label" x="${toX(points) + offset}" y="73" text-anchor="${isClose ? side : 'middle'}">${text}</text>`;
  };
  const interval = `${toSignedText(loss.lower95, digits)} to ${toSignedText(loss.upper95, digits)}`;
  const label = `Accuracy lost: ${toSignedText(loss.estimate, digits)} points, 95 percent interval ${interval}; limit ${loss.limit}.`;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} 96" role="img" aria-label="${label}">
<rect class="refused" x="${toX(loss.limit)}" y="16" width="${round(RIGHT - toX(loss.limit))}" height="42"/>
<line class="axis" x1="${LEFT}" y1="37" x2="${RIGHT}" y2="37"/>
${isClose ? null : tick(-loss.limit, toSignedText(-loss.limit, digits), 'end')}${tick(0, '0 · no loss', 'end')}${tick(loss.limit, `${loss.limit.toFixed(digits)} · limit`, 'start')}
<rect class="bar" x="${toX(loss.lower95)}" y="33" width="${round(Math.max(2, toX(loss.upper95) - toX(loss.lower95)))}" height="8"/>
<circle class="dot" cx="${toX(loss.estimate)}" cy="37" r="7"/>
<text class="value" x="${RIGHT + 10}" y="41">${toSignedText(loss.estimate, digits)}</text>
<text class="label" x="${RIGHT + 10}" y="57">points</text>
<text class="label" x="${LEFT}" y="91">← marked model better</text>
<text class="label" x="${RIGHT}" y="91" text-anchor="end">marked model worse →</text>
</svg>`;
}

/** Relative L2 above which unlabelled outputs draw a warning. */
export const RELATIVE_L2_WARNING = 0.05;
const OUTPUTS_DRAWN_MAX = 24;

/** How far each output moved; `names` replaces the outputs' own names. */
export function drawOutputs(outputs: readonly ReportFidelityOutput[], names: readonly string[]): Html {
  const drawn = outputs.slice(0, OUTPUTS_DRAWN_MAX);
  const [left, right] = [LEFT + 90, WIDTH - 126];
  const largest = Math.max(RELATIVE_L2_WARNING * 1.25, ...drawn.map((output) => output.relativeL2 ?? 0));
  const toWidth = (value: number): number => round((Math.max(0, value) / largest) * (right - left));
  const height = drawn.length * 26 + 24;
  const rows = drawn.map((output, index) => {
    const top = 4 + index * 26;
    return html`<text class="label" x="0" y="${top + 13}">${toFittingLabel(names[index] ?? '', left - 8)}</text>
<rect class="bar-back" x="${left}" y="${top}" width="${right - left}" height="16"/>
<rect class="${isBad(output.relativeL2) ? 'bar-bad' : 'bar'}" x="${left}" y="${top}" width="${Math.max(1, toWidth(output.relativeL2 ?? 0))}" height="16"/>
<text class="value" x="${right + 10}" y="${top + 13}">${toSmallPercentText(output.relativeL2)}</text>`;
  });
  const warnX = left + toWidth(RELATIVE_L2_WARNING);
  const label = `Relative change of outputs, warning above 5 percent: ${drawn
    .map((output, index) => `${names[index] ?? ''} ${toSmallPercentText(output.relativeL2)}`)
    .join('; ')}.`;
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${label}">
${rows}
<line class="limit" x1="${warnX}" y1="0" x2="${warnX}" y2="${height - 18}"/>
<text class="label" x="${warnX}" y="${height - 4}" text-anchor="middle">5 % · warning</text>
</svg>`;
}

/** Beyond the warning, or not to be compared at all. */
function isBad(relativeL2: number | null): boolean {
  return relativeL2 === null || relativeL2 > RELATIVE_L2_WARNING;
}

function clamp(fraction: number): number {
  return Math.min(1, Math.max(0, fraction));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
