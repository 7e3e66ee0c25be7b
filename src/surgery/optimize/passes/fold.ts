/** Constant folding as a pass. */
import { planFolding } from '../../fold/fold.ts';
import type { Pass } from '../pass.ts';

export const fold: Pass = async ({ model, document, steps, runtime }) => {
  const apply = await planFolding(model, { document, steps, ...(runtime && { runtime }) });
  return (tx) => {
    const { runtimeFailure, ...counts } = apply(tx);
    const notes = runtimeFailure === null ? [] : [`the runtime did not compute constants: ${runtimeFailure}`];
    return { counts, notes };
  };
};
