/** What one protection has written, for result and report. */
import type { SealedRecord } from '../seal-model.ts';
import type { ClaimStep } from './claim-step.ts';
import type { FileRecord, RecipientResult } from './options.ts';

/** What was written so far. */
export interface Outputs {
  /** The marked main file; null with --seal-only. */
  readonly marked: FileRecord | null;
  readonly markedPaths: readonly string[];
  readonly markedDigest: string;
  /** Null with --no-mark. */
  readonly claim: ClaimStep | null;
  /** Null without a recipient. */
  readonly recipient: RecipientResult | null;
  readonly baseline: FileRecord;
  /** The model signature of the same files (OMS v1.0), for those who have no modelward. */
  readonly signature: FileRecord;
  readonly seal: SealedRecord;
  readonly sealed: FileRecord;
  readonly leafIndex: number;
  readonly checkpoint: string;
  readonly ledgerSize: number;
  readonly origin: string;
}
