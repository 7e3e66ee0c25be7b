/** Scans a model, plain or sealed, without a baseline; a file that does not open is scanned as far as that goes. */
import { basename } from 'node:path';
import { ModelwardError, SealError } from '../core/errors.ts';
import { openFileSource } from '../source/index.ts';
import { type SarifFinding, type SarifLevel, type SarifPlace, toSarif, toScanHtml } from '../report/index.ts';
import {
  SCAN_RULES,
  type ScanFinding,
  scanModel,
  type ScanReport,
  type ScanSeverity,
  type ScanSubject,
} from '../tamper/index.ts';
import { openAnyModel, type OpenAnyOptions } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';
import { assertNoInput, writeOutput } from './write-bytes.ts';

export interface ScanFileOptions extends OpenAnyOptions {
  /** False leaves the weights unread. */
  readonly weights: boolean;
  /** Absolute paths of further reports. */
  readonly sarifPath?: string | undefined;
  readonly htmlPath?: string | undefined;
}

export interface ScanFileReport extends ScanReport {
  readonly name: string;
}

/**
 * @throws SourceError | SealError when the file cannot be read or its key is refused
 * @throws FormatError when the file is damaged in a way that is no finding
 */
export async function scanFile(
  services: Services,
  openSession: () => Session,
  options: ScanFileOptions,
): Promise<ScanFileReport> {
  const name = basename(options.path);
  assertNoInput([options.sarifPath, options.htmlPath], [options.path]);
  const subject = await openSubject(services, openSession, options);
  try {
    const { progress } = services;
    const report = { name, ...scanModel(subject, { weights: options.weights, progress }) };
    writeReports(services, options, report);
    return report;
  } finally {
    if (subject.kind === 'model') subject.model.close();
    else subject.source.close();
  }
}

async function openSubject(
  services: Services,
  openSession: () => Session,
  options: ScanFileOptions,
): Promise<ScanSubject> {
  try {
    // A plain model needs no owner: the session is opened only when a key is asked for.
    const recorder = () => openSession().recorder;
    return { kind: 'model', model: (await openAnyModel(services, recorder, options)).model };
  } catch (error) {
    if (!(error instanceof ModelwardError) || error instanceof SealError) throw error;
    if (error.code === 'ENVELOPE_NOT_FOUND' || isPlainFailure(error)) throw error;
    return { kind: 'refused', name: basename(options.path), source: openFileSource(options.path), error };
  }
}

/** The file itself is not there or cannot be read: nothing to say about its content. */
function isPlainFailure({ code }: ModelwardError): boolean {
  return code === 'SOURCE_NOT_FOUND' || code === 'SOURCE_UNREADABLE' || code === 'SOURCE_NOT_A_FILE';
}

function writeReports(services: Services, { sarifPath, htmlPath }: ScanFileOptions, report: ScanFileReport): void {
  if (sarifPath !== undefined) writeOutput(services, sarifPath, Buffer.from(toScanSarif(services.toolVersion, report)));
  if (htmlPath !== undefined) {
    const page = toScanHtml({ model: report.name, toolVersion: services.toolVersion, report });
    writeOutput(services, htmlPath, Buffer.from(page));
  }
}

const LEVELS: Readonly<Record<ScanSeverity, SarifLevel>> = { benign: 'note', suspicious: 'warning', high: 'error' };

/** The report as a SARIF 2.1.0 log, with every rule that exists, so that viewers know which ones found nothing. */
export function toScanSarif(toolVersion: string, report: ScanFileReport): string {
  return toSarif({
    toolVersion,
    rules: Object.entries(SCAN_RULES).map(([id, { name, summary, falseAlarms }]) => {
      return { id, name, summary, help: `It alarms without reason on: ${falseAlarms}.` };
    }),
    findings: report.findings.map((finding) => toSarifFinding(report.name, finding)),
    notAnalysed: report.notScanned.map(({ part, detail }) => `${part}: ${detail}`),
    properties: { verdict: report.verdict, format: report.format },
  });
}

function toSarifFinding(file: string, finding: ScanFinding): SarifFinding {
  const { rule, severity, message, subject, kind, path, offset } = finding;
  return {
    ruleId: rule,
    level: LEVELS[severity],
    message,
    file,
    bytes: offset === null ? null : { offset, length: 1 },
    place: subject === null ? null : { name: subject, kind, note: null },
    flow: path.map(({ role, op, name, scope }): SarifPlace => {
      const note = op === '' ? role : `${role}: ${op}`;
      return { name: scope === '' ? name : `${scope}/${name}`, kind: op === '' ? 'value' : 'node', note };
    }),
  };
}
