/** The report as one HTML file: no script, no outside resource, readable on screen and on A4 paper. */
import { escapeHtml, html } from './html.ts';
import { toMasthead } from './masthead.ts';
import { toFidelitySection } from './section-fidelity.ts';
import { toFilesSection, toProtectedSection } from './section-files.ts';
import { toMarkSection } from './section-mark.ts';
import { toRecordSection } from './section-record.ts';
import { toRunSection } from './section-run.ts';
import { toPromisesSection, toVerifySection } from './section-verify.ts';
import { STYLESHEET } from './stylesheet.ts';
import type { ProtectReport, ReportAudience } from './types.ts';

/** Blocks every load and every script, should an escape ever fail. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

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
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(report.model.name)} · Modelward protection report</title>
<style>${STYLESHEET}</style>
</head>
<body>
${body.markup}
</body>
</html>
`;
}
