/** What `protect` is asked for, and what it answers. */
import type { ProtectReport } from '../../report/index.ts';
import type { RecipientCode } from '../../watermark/recipient/index.ts';

export interface ProtectOptions {
  /** Absolute path of the model. */
  readonly path: string;
  /** Absolute path of the folder to make; its parent exists. */
  readonly out: string;
  readonly ownerId?: string | undefined;
  /** Absolute path of labelled data: a file or a folder. */
  readonly evalPath?: string | undefined;
  readonly labelColumn?: 'auto' | 'first' | 'last' | undefined;
  /** Key URI; null for the home's own key. */
  readonly keyUri: string | null;
  /** No plaintext copy is written. */
  readonly sealOnly: boolean;
  readonly noMark: boolean;
  /** Strength; without it the default, lowered as far as the limit on the loss asks. */
  readonly tau?: number | undefined;
  /** Who gets this copy, and what in it names them; without it, the copy names nobody. */
  readonly recipient?: { readonly id: string; readonly code: RecipientCode } | undefined;
  /** Largest accepted loss of accuracy, percentage points. */
  readonly limitPoints: number;
  /** Goes on when fidelity cannot be measured. */
  readonly unmeasured: boolean;
  readonly tsaUrl?: string | undefined;
  /** Absolute path of the authority's root certificates (PEM); without them its token is stored but not trusted. */
  readonly tsaRootsPath?: string | undefined;
  readonly force: boolean;
  readonly dataRoot?: string | undefined;
}

export interface FileRecord {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Fidelity as `--json` prints it; null when nothing was measured. */
export interface FidelityResult {
  readonly samples: number;
  readonly accuracyOriginal: number | null;
  readonly accuracyMarked: number | null;
  readonly argmaxAgreement: number | null;
  readonly relativeL2: number | null;
  readonly runtime: string;
}

export interface ProtectResult {
  readonly original: FileRecord;
  /** Null with --seal-only. */
  readonly marked: FileRecord | null;
  readonly sealed: FileRecord;
  readonly envelope: FileRecord;
  readonly baseline: FileRecord;
  /** The model signature of the same files (OMS v1.0), for those who have no modelward. */
  readonly signature: FileRecord;
  /** Null with --no-mark. */
  readonly commitment: (FileRecord & { readonly leafIndex: number }) | null;
  readonly claim: FileRecord | null;
  readonly report: FileRecord;
  readonly publicReport: FileRecord;
  readonly fidelity: FidelityResult | null;
  readonly fidelityReason: string | null;
  readonly mark: {
    readonly scheme: string;
    readonly bits: number;
    readonly tau: number;
    readonly weights: number;
    readonly relativeDistortion: number;
  } | null;
  /** The entry of the register; null without --recipient. */
  readonly recipient: RecipientResult | null;
  readonly ledger: { readonly origin: string; readonly size: number; readonly checkpoint: string };
  readonly key: { readonly scheme: string; readonly note: string | null } | null;
  readonly warnings: readonly string[];
}

/** A recipient as `--json` prints it: never by name. */
export interface RecipientResult {
  readonly number: number;
  /** Signed annex in the home. */
  readonly annex: string;
  /** Entry of the ledger; null when an earlier run recorded it. */
  readonly leafIndex: number | null;
  /** order, payload: what names the recipient. */
  readonly codes: readonly string[];
}

/** What `protect` hands back: the result for machines, and the record that the report was printed from. */
export interface Protected {
  readonly result: ProtectResult;
  readonly report: ProtectReport;
}
