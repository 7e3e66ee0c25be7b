/** Signed baselines and verification against them, comparison of two models, and scanning of one. */
export * from './baseline.ts';
export { type Change, CHANGE_KINDS, type ChangeKind, type Severity, type TensorTally } from './changes.ts';
export type { GraphAnalysis } from './compare-meaning.ts';
export * from './diff/index.ts';
export { type GraphDigest, type NodeRecord, toGraphDigest } from './graph-digest.ts';
export { diffNodes, type NodeChange } from './graph-diff.ts';
export { type Baseline, BASELINE_PAYLOAD_TYPE, decodeBaseline, encodeBaseline } from './manifest.ts';
export { BASELINE_PREDICATE, decodeSignedBaseline, toSubjectDigest } from './statement.ts';
export * from './verify.ts';
export * from './scan/finding.ts';
export { SCAN_RULES, type ScanRule, type ScanRuleId } from './scan/rules.ts';
export { scanModel, type ScanOptions, type ScanSubject } from './scan/scan.ts';
