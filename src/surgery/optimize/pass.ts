/** What a pass of the optimiser is: one kind of change, worked out on a document and done in a transaction. */
import type { GraphDocument } from '../../model/document.ts';
import type { Runtime } from '../../model/runtime.ts';
import type { Model } from '../../model/types.ts';
import type { EditStep } from '../plan.ts';
import type { Transaction } from '../transaction.ts';

export interface PassContext {
  readonly model: Model;
  /** The graph as it is after `steps`. */
  readonly document: GraphDocument;
  /** What earlier passes did to the model. */
  readonly steps: readonly EditStep[];
  readonly runtime: Runtime | null;
  /** For the f16 pass: whether inputs and outputs stay f32, with Cast nodes at the border. */
  readonly keepIo: boolean;
}

/** What a pass did, in numbers that it names itself, and why it left things as they were. */
export interface PassResult {
  readonly counts: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

/**
 * Looks at `context` first, since a runtime may have to answer; the function that it gives does the edit. It must not
 * change what the model computes, but for the rounding that its docs state.
 */
export type Pass = (context: PassContext) => Promise<(tx: Transaction) => PassResult>;
