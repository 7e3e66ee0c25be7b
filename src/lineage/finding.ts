/** What was found about one original. */
import type { Agreement } from './agreement.ts';
import type { AlignedCosine } from './aligned.ts';
import type { OrderTest } from './order-test.ts';
import type { AgreementVerdict } from './rule.ts';

export interface OriginalFinding {
  readonly order: OrderTest;
  /** Null when it was not needed, and when nothing says which neurons could change places. */
  readonly agreement: Agreement | null;
  readonly judged: AgreementVerdict | null;
  /** [] when it was not asked for, and when nothing says it for the original. */
  readonly aligned: readonly AlignedCosine[];
}
