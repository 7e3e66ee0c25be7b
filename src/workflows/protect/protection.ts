/** Everything that one protection knows before the first byte is written. */
import type { FidelityOutcome } from '../../fidelity/index.ts';
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import type { OpenedKeys, Services } from '../services.ts';
import type { Session } from '../session.ts';
import type { MarkStepResult } from './mark-step.ts';
import type { OutputNames } from './names.ts';
import type { FileRecord, ProtectOptions } from './options.ts';
import type { StepTimer } from './timer.ts';

export interface Protection {
  readonly services: Services;
  readonly session: Session;
  readonly options: ProtectOptions;
  readonly names: OutputNames;
  readonly timer: StepTimer;
  /** Null when nothing is sealed. */
  readonly keys: OpenedKeys | null;
  readonly original: Model;
  readonly originalFile: FileRecord;
  /** 32 bytes. */
  readonly originalDigest: Uint8Array;
  /** S, 32 bytes; secret, wiped by `protect`. Zeros with --no-mark. */
  readonly seed: Uint8Array;
  /** Null with --no-mark. */
  readonly marked: MarkStepResult | null;
  readonly plan: RewritePlan;
  readonly fidelity: FidelityOutcome;
}
