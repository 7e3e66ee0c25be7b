/** The plain record of one protection: everything that the report may print, JSON-serialisable, filled by a workflow. */

export type ReportFileRole =
  | 'original'
  | 'marked'
  | 'sealed'
  | 'envelope'
  | 'baseline'
  | 'signature'
  | 'commitment'
  | 'timestamp'
  | 'claim'
  | 'report';

export interface ReportFile {
  readonly role: ReportFileRole;
  /** Absolute or as the user gave it; printed in the owner's form only. */
  readonly path: string;
  /** Lower-case hex; null for the report itself, which cannot contain its own digest. */
  readonly sha256: string | null;
  readonly sizeBytes: number | null;
  /** True when anyone who can read the file has usable weights. */
  readonly plaintext: boolean;
}

export interface ReportModel {
  /** Base name of the model; it appears in the public form too. */
  readonly name: string;
  readonly format: string;
  /** Number of elements in all tensors. */
  readonly parameters: number;
  readonly tensors: number;
  /** By domain; "" is the default domain. Empty for formats without a graph. */
  readonly opsets: Readonly<Record<string, number>>;
  /** Format-neutral digest of the unmarked weights, lower-case hex; null when it was not computed. */
  readonly originalDigest: string | null;
}

export interface ReportLayer {
  readonly layer: string;
  readonly weights: number;
  /** RMS of the change divided by RMS of the weights, of this layer. */
  readonly relativeDistortion: number;
}

export type ReportMark =
  | {
      readonly kind: 'embedded';
      readonly scheme: string;
      readonly bits: number;
      readonly tau: number;
      /** Number of weights that carry the mark. */
      readonly weights: number;
      /** RMS of the change divided by RMS of the weights, over all carrying weights. */
      readonly relativeDistortion: number;
      /** What the change keeps out of: how many inputs, of which kind, were looked at in how many layers. */
      readonly calibration: { readonly layers: number; readonly samples: number; readonly inputs: string } | null;
      /** In graph order. */
      readonly perLayer: readonly ReportLayer[];
    }
  | { readonly kind: 'none'; readonly reason: string };

/**
 * What the detector read back from the marked file.
 * Null hypothesis: the file knows nothing of the seed; each bit then agrees with probability 1/2.
 */
export interface ReportEvidence {
  readonly bits: number;
  readonly bitErrors: number;
  /** log2 of the exact binomial tail, <= 0. */
  readonly log2pHard: number;
  /** log2 of the Hoeffding bound on the correlation, <= 0; null when it was not computed. */
  readonly log2pSoft: number | null;
  /** Statistics, keys, alignments and subsets that were tried; at least 1. */
  readonly trials: number;
  /** -log2 p of the best statistic, less log2(trials). */
  readonly evidenceBits: number;
}

/** Who was given this copy. */
export interface ReportRecipient {
  /** In the owner's register; it appears in the public form too. */
  readonly number: number;
  readonly id: string;
  /** Neurons whose order names the copy; null without that code. */
  readonly channels: number | null;
  readonly hasPayload: boolean;
  /** Path of the signed annex. */
  readonly annex: string;
  /** Entry of the ledger; null when an earlier run recorded it. */
  readonly leafIndex: number | null;
}

export interface ReportFidelityOutput {
  readonly name: string;
  /** Null when the outputs cannot be compared (not finite, other shapes, zeros). */
  readonly relativeL2: number | null;
  /** Null for outputs that are not class scores. */
  readonly argmaxAgreement: number | null;
}

export interface ReportLoss {
  /** Accuracy lost, in percentage points; negative when the marked model is better. */
  readonly estimate: number;
  /** Two-sided 95 % interval of the same, paired. */
  readonly lower95: number;
  readonly upper95: number;
  /** Release is refused when it is shown that more than this is lost. */
  readonly limit: number;
  /** The smallest loss that would be shown above the limit with so many samples; null when none would. */
  readonly smallestResolvable: number | null;
}

export type ReportFidelity =
  | {
      readonly kind: 'measured';
      /** Labelled samples, or probes when there were no labels. */
      readonly samples: number;
      /** Fractions; null without labels. */
      readonly accuracyOriginal: number | null;
      readonly accuracyMarked: number | null;
      /** Fraction of samples with the same top class; null without class outputs. */
      readonly argmaxAgreement: number | null;
      /** The largest ||marked - original|| / ||original|| of all outputs; null when one cannot be compared. */
      readonly relativeL2: number | null;
      /** Which engine ran, such as "onnxruntime-node 1.30.0". */
      readonly runtime: string;
      /** Null without labels. */
      readonly lossPoints: ReportLoss | null;
      readonly perOutput: readonly ReportFidelityOutput[];
    }
  | { readonly kind: 'unmeasured'; readonly reason: string };

export interface ReportTsa {
  readonly url: string;
  /** Time inside the token, ISO 8601. */
  readonly time: string;
  /** False when its certificate led to no root that was given: then anyone could have made the token. */
  readonly isTrusted: boolean;
}

export interface ReportCommitment {
  /** SHA-256 of the commitment document, lower-case hex. */
  readonly hash: string;
  readonly leafIndex: number | null;
  /** Text of the signed checkpoint, as it is to be published. */
  readonly checkpoint: string | null;
  /** True when there is a token of an authority; `tsa` then says whose. */
  readonly timestamped: boolean;
  readonly tsa: ReportTsa | null;
}

export interface ReportLedger {
  readonly origin: string;
  readonly size: number;
  /** Verifier key of its checkpoints (C2SP signed-note), text. */
  readonly verifierKey: string;
}

export interface ReportKey {
  /** Scheme of the key URI: "local", "aws-kms", … never the rest of it. */
  readonly scheme: string;
  /** Such as "same machine: for trial"; null when there is nothing to say. */
  readonly note: string | null;
}

export interface ReportWarning {
  readonly text: string;
  /** Only warnings without names, paths or layers may say true. */
  readonly isPublic: boolean;
}

export interface ProtectReport {
  readonly v: 1;
  /** Version of the package that made the report. */
  readonly toolVersion: string;
  readonly owner: string;
  /** ISO 8601, from the clock of this machine. */
  readonly createdAt: string;
  readonly model: ReportModel;
  readonly files: readonly ReportFile[];
  readonly mark: ReportMark;
  /** Null when there is no mark. */
  readonly evidence: ReportEvidence | null;
  /** Null when the copy names nobody. */
  readonly recipient: ReportRecipient | null;
  readonly fidelity: ReportFidelity;
  /** Null when nothing was committed. */
  readonly commitment: ReportCommitment | null;
  /** Null when nothing was sealed. */
  readonly key: ReportKey | null;
  /** Null when nothing was recorded. */
  readonly ledger: ReportLedger | null;
  readonly warnings: readonly ReportWarning[];
  readonly timings: readonly { readonly step: string; readonly seconds: number }[];
  readonly peakRssMib: number | null;
}

/** Who reads: the owner, or anybody (no layers, tensor names, paths, margins or key names). */
export type ReportAudience = 'owner' | 'public';
