/**
 * Scans a model without a baseline: what in it reads like an attack, with the evidence, and what was not looked at.
 * A finding is a reason to look, not a proof; no finding says that the parts listed as scanned broke no rule.
 */
import { FormatError, ModelwardError, SourceError } from '../../core/errors.ts';
import { SCAN_LIMITS } from '../../core/limits/scan.ts';
import { type Progress, silentProgress } from '../../core/ports.ts';
import type { Model } from '../../model/types.ts';
import type { ByteSource } from '../../source/ports.ts';
import { type ScanFinding, type ScannedPart, type ScanReport, SCAN_SEVERITIES } from './finding.ts';
import { scanGraph } from './graph/index.ts';
import { scanPickles } from './pickles.ts';
import { findRefusal } from './refusals.ts';
import { scanTemplates } from './templates.ts';
import { scanText } from './text.ts';
import { scanWeights } from './weights/index.ts';

/** An opened model, or a file that could not be opened as one, with the reason. */
export type ScanSubject =
  | { readonly kind: 'model'; readonly model: Model }
  | { readonly kind: 'refused'; readonly name: string; readonly source: ByteSource; readonly error: ModelwardError };

export interface ScanOptions {
  /** Weights are read unless this is false; they count as not scanned then. */
  readonly weights?: boolean;
  readonly progress?: Progress;
}

interface Draft {
  readonly findings: ScanFinding[];
  readonly scanned: ScannedPart[];
  readonly notScanned: ScannedPart[];
}

/**
 * Never throws for what a rule finds. A model that breaks off while it is read is reported as not scanned from there.
 * @throws SourceError when a file cannot be read
 * @throws ModelwardError the refusal itself, when the file is merely damaged: there is nothing to report about it
 */
export function scanModel(subject: ScanSubject, options: ScanOptions = {}): ScanReport {
  const draft: Draft = { findings: [], scanned: [], notScanned: [] };
  if (subject.kind === 'refused') {
    scanRefused(subject, draft);
    return toReport(toFormatName(subject), draft);
  }
  const { model } = subject;
  if (model.format === 'pytorch') add(draft, scanPickles(model.files[0].source));
  attempt(draft, 'graph', () => {
    scanGraphPart(model, draft);
  });
  attempt(draft, 'text', () => {
    add(draft, scanText(model));
  });
  draft.findings.push(...scanTemplates(model));
  if (options.weights === false) draft.notScanned.push({ part: 'weights', detail: 'left out as asked' });
  else
    attempt(draft, 'weights', () => {
      add(draft, scanWeights(model, options.progress ?? silentProgress));
    });
  return toReport(model.format, draft);
}

function add(draft: Draft, part: Pick<ScanReport, 'findings' | 'scanned' | 'notScanned'>): void {
  draft.findings.push(...part.findings);
  draft.scanned.push(...part.scanned);
  draft.notScanned.push(...part.notScanned);
}

/** A part that a defect stops counts as not scanned; the others go on. */
function attempt(draft: Draft, part: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    draft.notScanned.push({ part, detail: `broke off: ${error.message} (${error.code})` });
  }
}

function scanGraphPart(model: Model, draft: Draft): void {
  const scan = scanGraph(model);
  if (scan === null) return;
  draft.findings.push(...scan.findings);
  const detail = `${scan.nodes} nodes with functions and subgraphs put in place`;
  draft.scanned.push({ part: 'graph', detail });
  if (scan.isCut) draft.notScanned.push({ part: 'graph', detail: 'nodes beyond the cap' });
}

const PICKLE_NAMES = /\.(?:pt|pth|bin|ckpt|pkl|pickle|jit|ptl)$/i;

function scanRefused({ name, source, error }: ScanSubject & { kind: 'refused' }, draft: Draft): void {
  const isPickle = error.code.startsWith('PYTORCH_') || (error.code === 'FORMAT_UNKNOWN' && PICKLE_NAMES.test(name));
  const refusal = findRefusal(error);
  if (isPickle) add(draft, scanPickles(source));
  else if (refusal !== null) draft.findings.push(refusal);
  else if (error.code !== 'FORMAT_UNKNOWN') throw error;
  const reason = isPickle ? `tensors: ${error.message}` : error.message;
  draft.notScanned.push({ part: refusal === null && !isPickle ? 'file' : 'graph, text and weights', detail: reason });
}

function toFormatName({ error, name }: ScanSubject & { kind: 'refused' }): string {
  const known = /^(ONNX|SAFETENSORS|GGUF|TFLITE|PYTORCH)_/.exec(error.code)?.[1].toLowerCase();
  if (known !== undefined) return known;
  if (error instanceof SourceError && /\.onnx$/i.test(name)) return 'onnx';
  return PICKLE_NAMES.test(name) ? 'pytorch' : 'unknown';
}

function toReport(format: string, { findings, scanned, notScanned }: Draft): ScanReport {
  const sorted = [...findings].sort(
    (a, b) =>
      SCAN_SEVERITIES.indexOf(b.severity) - SCAN_SEVERITIES.indexOf(a.severity) ||
      (a.rule < b.rule ? -1 : a.rule > b.rule ? 1 : 0),
  );
  // A node with several outputs breaks a rule once.
  const once = [
    ...new Map(
      sorted.map((finding) => [JSON.stringify([finding.rule, finding.subject, finding.message]), finding]),
    ).values(),
  ];
  const counts = new Map<string, number>();
  const listed = once.filter(({ rule }) => {
    counts.set(rule, (counts.get(rule) ?? 0) + 1);
    return counts.get(rule)! <= SCAN_LIMITS.findingsPerRuleMax;
  });
  const dropped = [...counts]
    .filter(([, count]) => count > SCAN_LIMITS.findingsPerRuleMax)
    .map(([rule, count]): [string, number] => [rule, count - SCAN_LIMITS.findingsPerRuleMax]);
  const worst = sorted.at(0)?.severity;
  const isNothing = scanned.length === 0 && worst === undefined;
  const verdict = worst ?? (isNothing ? 'not-scanned' : 'nothing-found');
  return { format, verdict, findings: listed, dropped: Object.fromEntries(dropped), scanned, notScanned };
}
