/** What a scan says: findings with their evidence, and what was looked at and what was not. */
import type { ScanRuleId } from './rules.ts';

/** benign: told, not alarmed. suspicious: somebody should look. high: it reads like an attack. */
export type ScanSeverity = 'benign' | 'suspicious' | 'high';

export const SCAN_SEVERITIES: readonly ScanSeverity[] = ['benign', 'suspicious', 'high'];

/** What a step of an evidence path does: where the trigger is read, where it becomes a yes or no, where it takes over. */
export type PathRole = 'input' | 'step' | 'trigger' | 'merge' | 'output' | 'gap';

export interface PathStep {
  readonly role: PathRole;
  /** Operator; "" for inputs, outputs and gaps. */
  readonly op: string;
  /** Name of the node or, when it has none, of its first output; of the value for inputs and outputs. */
  readonly name: string;
  /** "" for the main graph, else the subgraphs and functions that lead there. */
  readonly scope: string;
}

export interface ScanFinding {
  readonly rule: ScanRuleId;
  readonly severity: ScanSeverity;
  /** One sentence with the evidence; names come from the file. */
  readonly message: string;
  /** Node, tensor, archive member or metadata entry that the finding is about; null for the whole file. */
  readonly subject: string | null;
  readonly kind: 'node' | 'tensor' | 'member' | 'metadata' | 'file';
  /** Input, trigger, output; empty when the finding is not about a path. */
  readonly path: readonly PathStep[];
  /** Byte offset in the first file, when there is one place to look at. */
  readonly offset: number | null;
}

/** A part of the model: what was done with it, or why nothing was. */
export interface ScannedPart {
  readonly part: string;
  readonly detail: string;
}

export interface ScanReport {
  readonly format: string;
  /** suspicious or high: the worst finding. nothing-found holds only for the parts that `scanned` lists. */
  readonly verdict: ScanSeverity | 'nothing-found' | 'not-scanned';
  readonly findings: readonly ScanFinding[];
  /** Findings by rule that were counted only. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly scanned: readonly ScannedPart[];
  /** A report with entries here is not "clean", whatever else it says. */
  readonly notScanned: readonly ScannedPart[];
}
