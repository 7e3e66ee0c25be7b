/** The report as one HTML file: no script, no outside resource, readable on screen and on A4 paper. */
import { toDocument } from './document.ts';
import { html } from './html.ts';
import { toMasthead } from './masthead.ts';
import { toFidelitySection } from './section-fidelity.ts';
import { toFilesSection, toProtectedSection } from './section-files.ts';
import { toMarkSection } from './section-mark.ts';
import { toRecordSection } from './section-record.ts';
import { toRunSection } from './section-run.ts';
import { toPromisesSection, toVerifySection } from './section-verify.ts';
import type { ProtectReport, ReportAudience } from './types.ts';

/**
 * The page for one kind of reader. All texts of the record are escaped; the public form leaves out layers, tensor
 * names, margins, paths, key names, reasons and warnings that are not marked public.
 * @returns a complete UTF-8 HTML document that ends in a line end
 */
export function toReportHtml(report: ProtectReport, { audience }: { readonly audience: ReportAudience }): string {
  const body = html`${toMasthead(report, audience)}
<main>
${toProtectedSection(report)}
${toFilesSection(report, audience)}
${toMarkSection(report, audience)}
${toFidelitySection(report, audience)}
${toRecordSection(report, audience)}
${toPromisesSection(report)}
${toVerifySection(report, audience)}
${audience === 'owner' ? toRunSection(report) : null}
</main>
<footer><p>Made by Modelward ${report.toolVersion}. Detection and evidence, not prevention.</p></footer>`;
  return toDocument(`${report.model.name} · Modelward protection report`, body);
}
