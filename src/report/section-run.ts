/** Section 8: how long each step took; for the owner. */
import { toByteText, toDurationText } from '../core/quantities.ts';
import { type Html, html } from './html.ts';
import { toSection } from './section.ts';
import type { ProtectReport } from './types.ts';

export function toRunSection(report: ProtectReport): Html | null {
  if (report.timings.length === 0) return null;
  const totalSeconds = report.timings.reduce((sum, { seconds }) => sum + seconds, 0);
  return toSection(
    8,
    'How it was made',
    html`<table><thead><tr><th scope="col">Step</th><th scope="col" class="number-cell">Time</th></tr></thead><tbody>
${report.timings.map(
  ({ step, seconds }) => html`<tr><td>${step}</td><td class="number-cell">${toDurationText(seconds * 1000)}</td></tr>`,
)}
<tr><th scope="row">Together</th><td class="number-cell"><strong>${toDurationText(totalSeconds * 1000)}</strong></td></tr>
</tbody></table>
${report.peakRssMib === null ? null : html`<p>Largest memory used: ${toByteText(report.peakRssMib * 2 ** 20)}.</p>`}`,
  );
}
