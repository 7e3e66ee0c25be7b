/** Reports of what was protected: one plain record in; a page for people or lines for a terminal out. */
export { toAttackForm } from './attack-form.ts';
export { toAttackHtml } from './attack-page.ts';
export type { AttackRecord, AttackRow, AttackVerdict, RunRow, SkippedRow } from './attack-record.ts';
export { type DiffPage, toDiffHtml } from './diff-page.ts';
export { toDiffSarif } from './diff-sarif.ts';
export { type MarkPicture, type MarkPictures, type OutputMarkPage, toOutputMarkHtml } from './output-mark-page.ts';
export { toReportHtml } from './page.ts';
export { type ScanPage, toScanHtml } from './scan-page.ts';
export {
  type SarifFinding,
  type SarifLevel,
  type SarifPlace,
  type SarifRule,
  type SarifRun,
  toSarif,
} from './sarif.ts';
export { type ReportTextOptions, toReportText } from './text.ts';
export type {
  ProtectReport,
  ReportAudience,
  ReportCommitment,
  ReportEvidence,
  ReportFidelity,
  ReportFidelityOutput,
  ReportFile,
  ReportFileRole,
  ReportKey,
  ReportLayer,
  ReportLoss,
  ReportMark,
  ReportRecipient,
  ReportModel,
  ReportTsa,
  ReportWarning,
} from './types.ts';
